#include <stdio.h>
int run_case(void);
int main(void)
{
    int status = run_case();
    printf("run_case returned %d\n", status);
    fflush(stdout);
    return status;
}
