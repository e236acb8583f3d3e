/* The end of the chain case -> liba -> libb: proves that what a needed library needs is loaded too. */
#include <stdio.h>

int libb_data = 40;

__attribute__((constructor)) static void start(void)
{
    printf("libb constructor\n");
}

int libb_function(int x)
{
    return x + libb_data;
}
