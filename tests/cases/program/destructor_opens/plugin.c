/* Opens itself in its destructor. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

int plugin_value = 5;

__attribute__((constructor)) static void start(void)
{
    printf("plugin begins: %d\n", plugin_value);
    plugin_value = 6;
}

__attribute__((destructor)) static void end(void)
{
    if (getenv("PLUGIN_ENDS_QUIETLY") != NULL) {
        printf("plugin ends again\n");
        return;
    }
    void *loaded = dlopen("plugin.so", RTLD_NOW | RTLD_NOLOAD);
    printf("own, not loaded anew: %d\n", loaded != NULL);
    if (loaded == NULL)
        return;
    int same = dlsym(loaded, "plugin_value") == &plugin_value;
    int closed = dlclose(loaded);
    printf("own symbols by handle: %d %d %d\n", same, closed, dlsym(loaded, "plugin_value") == &plugin_value);
    void *opened = dlopen("plugin.so", RTLD_NOW);
    printf("own, opened: same handle %d, value %d\n", opened == loaded, *(int *)dlsym(opened, "plugin_value"));
    printf("closed in its destructor: %d\n", dlclose(opened));
    Dl_info info;
    printf("own name: %d\n", dladdr(&plugin_value, &info) != 0 && info.dli_saddr == &plugin_value);
}
