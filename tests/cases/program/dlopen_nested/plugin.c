/* A plugin that case.so opens while it runs. */
#include <stdio.h>

int plugin_started;
int plugin_value = 3;

__attribute__((constructor)) static void start(void)
{
    plugin_started++;
    printf("plugin constructor\n");
}

int plugin_times(int x)
{
    return x * plugin_value;
}
