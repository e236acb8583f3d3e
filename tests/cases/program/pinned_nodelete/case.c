/* Proves that a library opened with RTLD_NODELETE stays with its data, also when that is said later, and ends at exit. */
/// row: dlopen | loaded: | RTLD_NODELETE keeps a library when it is closed | glibc; musl
/// row: dlopen | close: 0 0 | RTLD_NODELETE with RTLD_NOLOAD keeps a library that is loaded already | glibc
/// row: dlclose | first ends | The destructors of a library that stays run at exit | glibc
#include <dlfcn.h>
#include <stdio.h>

static int count(void *library, const char *name)
{
    return ((int (*)(void))dlsym(library, name))();
}

int run_case(void)
{
    void *first = dlopen("first.so", RTLD_NOW | RTLD_NODELETE);
    printf("%d\n", count(first, "count_first"));
    printf("close: %d\n", dlclose(first));
    first = dlopen("first.so", RTLD_NOW | RTLD_NOLOAD);
    printf("loaded: %d\n", first != NULL);
    printf("%d\n", count(first, "count_first"));
    void *second = dlopen("second.so", RTLD_NOW);
    printf("%d\n", count(second, "count_second"));
    void *again = dlopen("second.so", RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
    printf("close: %d %d\n", dlclose(second), dlclose(again));
    second = dlopen("second.so", RTLD_NOW);
    printf("%d\n", count(second, "count_second"));
    printf("exit\n");
    return 0;
}
