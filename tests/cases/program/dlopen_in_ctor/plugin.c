/* Opened by the constructor of liba, which it needs and which is not fully initialized then. */
#include <stdio.h>

extern int liba_value;
int liba_function(int x);

__attribute__((constructor)) static void start(void)
{
    printf("plugin constructor sees liba_value %d\n", liba_value);
    liba_value = 3;
}

int plugin_function(int x)
{
    return 10 * liba_function(x);
}
