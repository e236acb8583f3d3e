/* Number 2 of a chain of which each needs the one before. */
#include <stdio.h>

extern int deep1;
int deep2;

__attribute__((constructor)) static void start(void)
{
    deep2 = 2 + 10 * deep1;
    printf("deep2 begins\n");
}
