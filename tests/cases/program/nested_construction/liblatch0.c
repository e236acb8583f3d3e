/* The first of shutter's load: opens what needs the second, and closes it. */
#include <dlfcn.h>
#include <stdio.h>

int latch0 = 1;

__attribute__((constructor)) static void start(void)
{
    void *plugin = dlopen("plugin2.so", RTLD_NOW);
    printf("latch0: plugin2 %d, closed %d\n", plugin != NULL, plugin != NULL ? dlclose(plugin) : -1);
    plugin = dlopen("plugin2.so", RTLD_NOW | RTLD_NOLOAD);
    printf("latch0: plugin2 is loaded %d\n", plugin != NULL);
}
