/* Proves what RTLD_NOLOAD does: nothing for what is not loaded; else it counts, and makes global what was local. */
/// row: dlopen | not loaded: | RTLD_NOLOAD loads nothing | glibc; musl
/// row: dlopen | 78 | RTLD_NOLOAD with RTLD_GLOBAL makes a loaded library and what it needs global | glibc
/// row: dlopen | counted: | RTLD_NOLOAD counts as an open | glibc
/// row: dlopen | of the program: | dlopen(NULL) is the program with RTLD_NOLOAD, too | glibc
#include <dlfcn.h>
#include <stdio.h>

int run_case(void)
{
    printf("not loaded: %d\n", dlopen("plugin.so", RTLD_NOW | RTLD_NOLOAD) == NULL);
    void *plugin = dlopen("plugin.so", RTLD_NOW);
    printf("local: %d\n", dlopen("user.so", RTLD_NOW) == NULL);
    printf("error: %d\n", dlerror() != NULL);
    printf("the same: %d\n", dlopen("plugin.so", RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL) == plugin);
    void *user = dlopen("user.so", RTLD_NOW);
    printf("%d\n", ((int (*)(void))dlsym(user, "use"))());
    printf("close: %d %d\n", dlclose(user), dlclose(plugin));
    printf("counted: %d\n", dlsym(plugin, "plugin_value") != NULL);
    printf("close: %d\n", dlclose(plugin));
    printf("loaded: %d\n", dlopen("plugin.so", RTLD_NOW | RTLD_NOLOAD) != NULL);
    printf("of the program: %d\n", dlopen(NULL, RTLD_NOW | RTLD_NOLOAD) == dlopen(NULL, RTLD_NOW));
    return 0;
}
