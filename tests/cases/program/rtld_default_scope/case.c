/* Proves which symbols dlsym(RTLD_DEFAULT) finds for a library that is not global: those that its own code could be bound to. */
/// row: dlsym | own: 1 needed: 1 | RTLD_DEFAULT finds symbols of the caller's own load, though it is local | POSIX dlsym, as a direct use of the symbol; glibc
/// row: dlsym | of a library that it opened: 0 | RTLD_DEFAULT does not find symbols of other local libraries | POSIX dlsym; glibc
/// row: dlsym | of a library that opened it: 0 | RTLD_DEFAULT does not find symbols of the library whose code opened the caller | glibc
#include <dlfcn.h>
#include <stdio.h>

int needed_function(void);

int run_case(void)
{
    void *plugin = dlopen("plugin.so", RTLD_NOW);
    int (*finds)(const char *) = (int (*)(const char *))dlsym(plugin, "finds");
    printf("own: %d needed: %d\n", dlsym(RTLD_DEFAULT, "run_case") == (void *)run_case,
        dlsym(RTLD_DEFAULT, "needed_function") == (void *)needed_function);
    printf("of a library that it opened: %d\n", dlsym(RTLD_DEFAULT, "plugin_function") != NULL);
    printf("of a library that opened it: %d, its own: %d\n", finds("run_case"), finds("plugin_function"));
    return 0;
}
