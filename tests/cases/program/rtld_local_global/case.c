/* Proves that symbols of an RTLD_LOCAL library are hidden from everyone else until it is opened with RTLD_GLOBAL. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static int is_global(const char *name)
{
    return dlsym(RTLD_DEFAULT, name) != NULL;
}

int run_case(void)
{
    void *local = dlopen("plugin.so", RTLD_NOW | RTLD_LOCAL);
    void *function = dlsym(local, "plugin_function");
    printf("local: by handle %d, global %d %d\n", function != NULL, is_global("plugin_function"), is_global("plugin_data"));

    void *user = dlopen("user.so", RTLD_NOW);
    const char *error = dlerror();
    printf("its user: %s, error names the symbol: %d\n", user == NULL ? "refused" : "opened",
        error != NULL && strstr(error, "plugin_") != NULL);

    void *global = dlopen("plugin.so", RTLD_NOW | RTLD_GLOBAL);
    printf("global: same handle %d, global %d %d\n", global == local, is_global("plugin_function"), is_global("plugin_data"));
    printf("the same function: %d\n", dlsym(RTLD_DEFAULT, "plugin_function") == function);

    user = dlopen("user.so", RTLD_NOW);
    if (user == NULL) {
        printf("%s\n", dlerror());
        return 1;
    }
    int (*user_function)(int) = (int (*)(int))dlsym(user, "user_function");
    int *const *user_pointer = dlsym(user, "user_pointer");
    printf("its user: %d\n", user_function(7));
    printf("its pointer: %d\n", *user_pointer == dlsym(local, "plugin_data"));
    printf("the user's handle does not lead to plugin.so: %d\n", dlsym(user, "plugin_function") == NULL);

    dlopen("plugin.so", RTLD_NOW | RTLD_LOCAL);
    printf("opened as local again, it stays global: %d\n", is_global("plugin_function"));
    printf("the user is local: %d\n", !is_global("user_function"));
    return 0;
}
