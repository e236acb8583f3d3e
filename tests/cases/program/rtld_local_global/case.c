/* Proves that symbols of an RTLD_LOCAL library are hidden from everyone else until it is opened with RTLD_GLOBAL. */
/// row: dlopen | local: by handle | Symbols of an RTLD_LOCAL library are found by its handle, not with RTLD_DEFAULT | POSIX dlopen; core.dlfcn_rtld_local
/// row: dlopen | its user: refused, | A later library is not bound to symbols of an RTLD_LOCAL one | POSIX dlopen; core.dlfcn_rtld_local
/// row: dlopen | global: same handle | Opening with RTLD_GLOBAL promotes a library that was local | POSIX dlopen
/// row: dlopen | its user: 48 | A later library uses functions and data of an RTLD_GLOBAL one | POSIX dlopen; other.dlopen_rtld_global
/// row: dlsym | the user's handle does not lead to | A handle does not lead to libraries that are only bound to, not needed | POSIX dlsym
/// row: dlopen | opened as local again, | Opening with RTLD_LOCAL takes nothing from a global library | POSIX dlopen
/// row: dlopen | the user is local: | RTLD_LOCAL is the default | glibc dlopen
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
