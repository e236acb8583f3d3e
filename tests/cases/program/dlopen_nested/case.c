/* Proves that a library may open, use, close and open again a plugin: one handle, constructed once while it is open. */
/// row: dlopen | before: | RTLD_NOLOAD of a library that is not loaded gives NULL | glibc dlopen; gap.rtld_noload
/// row: dlopen | RTLD_NOLOAD: | RTLD_NOLOAD of a loaded library gives its handle | glibc dlopen; gap.rtld_noload
/// row: dlopen | opened again: same handle | A library that is opened again has the same handle, and is constructed once | POSIX dlopen; core.dlfcn_handle_alloc
/// row: dlclose | closed once: | dlclose gives 0 and leaves a library that was opened twice | POSIX dlclose
/// row: dlclose | still usable: | A library with an open handle is called after another handle of it was closed | POSIX dlclose
/// row: dlopen | opened a third time: | A library that stays loaded keeps its data when it is opened again | POSIX dlopen
/// row: dlclose | closed: | Each handle that was given may be closed | POSIX dlclose
/// row: dlclose | permanent: | A library that was opened RTLD_NODELETE keeps its data after its last dlclose | glibc dlopen
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
