/* Proves that handlers which a library registered with atexit run when it is closed, once, last first, and that the others keep
 * their order. */
/// row: dlclose | round 1: second handler, with an argument | Functions registered with __cxa_atexit and atexit by a library run when it is closed, last first | Itanium C++ ABI 3.3.6.3; glibc
/// row: dlclose | round 1: registered by a handler | What a handler registers while its library is closed runs then, too | glibc
/// row: dlclose | other: second handler | Handlers of libraries that stay run at exit in the reverse order of registration, whichever left meanwhile | ISO C exit; glibc
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static void own(void)
{
    printf("case: handler\n");
}

static void call(void *library, const char *name)
{
    ((void (*)(void))dlsym(library, name))();
}

static void start(void *plugin, const char *name)
{
    ((void (*)(const char *))dlsym(plugin, "start_plugin"))(name);
}

int run_case(void)
{
    void *other = dlopen("other.so", RTLD_NOW);
    void *plugin = dlopen("plugin.so", RTLD_NOW);
    start(plugin, "round 1");
    call(other, "start_first");
    atexit(own);
    printf("close\n");
    dlclose(plugin);
    plugin = dlopen("plugin.so", RTLD_NOW);
    start(plugin, "round 2");
    call(other, "start_second");
    printf("close again\n");
    dlclose(plugin);
    start(dlopen("plugin.so", RTLD_NOW), "at exit");
    printf("exit\n");
    return 0;
}
