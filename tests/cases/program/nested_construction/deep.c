/* The end of the chain, which is opened. */
#include <stdio.h>

extern int deep3;
int deep_order;

__attribute__((constructor)) static void start(void)
{
    deep_order = deep3;
    printf("deep begins, sees %d\n", deep3);
}
