/* Proves that with RTLD_DEEPBIND a library and what it needs come before the global scope. */
/// row: dlopen | deep: its own | With RTLD_DEEPBIND a library and what it needs are searched before the global scope | glibc
/// row: dlopen | deep: found in the global scope | RTLD_DEEPBIND still finds what only the global scope has | glibc
#include <dlfcn.h>
#include <stdio.h>

static const char *ask(void *library, const char *name)
{
    return ((const char *(*)(void))dlsym(library, name))();
}

int run_case(void)
{
    dlopen("first.so", RTLD_NOW | RTLD_GLOBAL);
    void *plain = dlopen("plain.so", RTLD_NOW);
    void *deep = dlopen("deep.so", RTLD_NOW | RTLD_DEEPBIND);
    printf("plain: %s\n", ask(plain, "ask_plain"));
    printf("deep: %s\n", ask(deep, "ask_deep"));
    printf("deep: %s\n", ask(deep, "ask_first"));
    return 0;
}
