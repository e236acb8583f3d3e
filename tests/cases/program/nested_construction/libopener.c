/* The first of the load to be constructed: opens a plugin that needs the second. */
#include <dlfcn.h>
#include <stdio.h>

int opener_depth;

__attribute__((constructor)) static void start(void)
{
    printf("opener begins\n");
    opener_depth = 1;
    void *plugin = dlopen("plugin.so", RTLD_NOW);
    int (*says)(void) = plugin != NULL ? (int (*)(void))dlsym(plugin, "plugin_says") : NULL;
    printf("opener ends: plugin says %d\n", says != NULL ? says() : -1);
    opener_depth = 0;
}
