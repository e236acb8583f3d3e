/* The middle of the chain: calls into libb. */
#include <stdio.h>

int libb_function(int x);

__attribute__((constructor)) static void start(void)
{
    printf("liba constructor, libb_function(1) = %d\n", libb_function(1));
}

int liba_function(int x)
{
    return 2 * libb_function(x);
}
