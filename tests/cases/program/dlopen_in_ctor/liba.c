/* A library whose constructor opens a plugin that in turn needs this library. */
#include <dlfcn.h>
#include <stdio.h>

int liba_value = 1;
void *liba_plugin;

__attribute__((constructor)) static void start(void)
{
    liba_value = 2;
    printf("liba constructor begins\n");
    liba_plugin = dlopen("plugin.so", RTLD_NOW);
    printf("liba constructor ends: %s\n", liba_plugin != NULL ? "opened" : dlerror());
}

int liba_function(int x)
{
    return x + liba_value;
}
