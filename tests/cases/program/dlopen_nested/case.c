/* Proves that a library may open, use, close and open again a plugin: one handle, constructed once while it is open. */
#include <dlfcn.h>
#include <stdio.h>

int run_case(void)
{
    printf("before: %d\n", dlopen("plugin.so", RTLD_NOW | RTLD_NOLOAD) == NULL);
    dlerror();
    void *plugin = dlopen("plugin.so", RTLD_NOW);
    if (plugin == NULL) {
        printf("%s\n", dlerror());
        return 1;
    }
    int (*times)(int) = (int (*)(int))dlsym(plugin, "plugin_times");
    int *value = dlsym(plugin, "plugin_value"), *started = dlsym(plugin, "plugin_started");
    printf("times: %d, started %d\n", times(7), *started);

    void *again = dlopen("plugin.so", RTLD_LAZY);
    printf("opened again: same handle %d, started %d\n", again == plugin, *started);
    *value = 5;
    printf("closed once: %d\n", dlclose(plugin));
    printf("still usable: %d\n", times(7));
    void *third = dlopen("plugin.so", RTLD_NOW);
    printf("opened a third time: same handle %d, started %d, value kept %d\n", third == again, *started,
        *(int *)dlsym(third, "plugin_value"));
    void *noload = dlopen("plugin.so", RTLD_NOW | RTLD_NOLOAD);
    printf("RTLD_NOLOAD: same handle %d\n", noload == plugin);
    printf("closed: %d %d %d\n", dlclose(noload), dlclose(third), dlclose(again));

    void *permanent = dlopen("permanent.so", RTLD_NOW | RTLD_NODELETE);
    int *kept = dlsym(permanent, "permanent_value");
    *kept = 9;
    printf("permanent: closed %d,", dlclose(permanent));
    printf(" value %d\n", *kept);
    permanent = dlopen("permanent.so", RTLD_NOW);
    printf("opened again: same data %d, value %d\n", dlsym(permanent, "permanent_value") == (void *)kept, *kept);

    void *self = dlopen("case.so", RTLD_NOW);
    printf("own library: %d\n", dlsym(self, "run_case") == (void *)run_case);
    return 0;
}
