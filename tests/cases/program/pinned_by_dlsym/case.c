/* Proves that a library stays when another has found a symbol of it in the global scope, and not when it was found by handle. */
/// row: dlsym | still there: | A library whose symbol another has found by RTLD_DEFAULT stays as long as that one | glibc
/// row: dlclose | plugin ends when it is closed | One whose symbol was found by handle does not | glibc
#include <dlfcn.h>
#include <stdio.h>

int run_case(void)
{
    void *plugin = dlopen("plugin.so", RTLD_NOW | RTLD_GLOBAL);
    printf("by handle: %d\n", ((int (*)(void))dlsym(plugin, "plugged"))());
    printf("close: %d\n", dlclose(plugin));
    plugin = dlopen("plugin.so", RTLD_NOW | RTLD_GLOBAL);
    ((void (*)(void))dlsym(plugin, "be_last"))();
    int (*plugged)(void) = (int (*)(void))dlsym(RTLD_DEFAULT, "plugged");
    printf("in the global scope: %d\n", plugged());
    printf("close: %d\n", dlclose(plugin));
    printf("still there: %d\n", plugged());
    printf("and global: %d\n", (int (*)(void))dlsym(RTLD_DEFAULT, "plugged") == plugged);
    return 0;
}
