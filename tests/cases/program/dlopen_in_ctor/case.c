/* Proves that a constructor may open libraries while the load it belongs to is not finished. */
/// row: dlopen | plugin constructor sees | A library that a constructor opens sees the relocated data of the one that is being loaded | glibc; gap.dlopen_in_constructor
/// row: dlopen | liba constructor ends: | dlopen from a constructor returns with the library constructed | glibc; gap.dlopen_in_constructor
/// row: dlopen | case.so within its own constructor: | A library opens itself from its own constructor and is not loaded twice | glibc
/// row: dlopen | same plugin: | What a constructor opened is the library that is opened later | POSIX dlopen
#include <dlfcn.h>
#include <stdio.h>

extern void *liba_plugin;
int liba_function(int x);

static int (*plugin_function)(int);

__attribute__((constructor)) static void start(void)
{
    plugin_function = (int (*)(int))dlsym(liba_plugin, "plugin_function");
    printf("case constructor: %d\n", plugin_function(1));
    /* the load that this constructor is part of */
    void *self = dlopen("case.so", RTLD_NOW);
    printf("case.so within its own constructor: %d\n", self != NULL && dlsym(self, "plugin_function") == NULL);
}

int run_case(void)
{
    printf("run_case: %d %d\n", plugin_function(2), liba_function(2));
    void *plugin = dlopen("plugin.so", RTLD_NOW);
    printf("same plugin: %d\n", plugin == liba_plugin);
    return 0;
}
