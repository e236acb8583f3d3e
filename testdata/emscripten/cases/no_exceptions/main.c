/* Built without exceptions, for a library that throws and catches. */
#include <stdio.h>

int adds(int number);
int throws_and_catches(void);

int main(void)
{
    printf("adds: %d\n", adds(1));
    fflush(stdout);
    printf("caught: %d\n", throws_and_catches());
    return 0;
}
