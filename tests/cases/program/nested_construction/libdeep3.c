/* Number 3 of a chain of which each needs the one before. */
#include <stdio.h>

extern int deep2;
int deep3;

__attribute__((constructor)) static void start(void)
{
    deep3 = 3 + 10 * deep2;
    printf("deep3 begins\n");
}
