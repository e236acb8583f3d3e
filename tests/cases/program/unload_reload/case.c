/* Proves that a library is unloaded by the last dlclose: its destructor runs, and what is opened again is new. */
/// row: dlclose | plugin ends | The last dlclose of a library, and no earlier one, runs its destructors before it returns | glibc
/// row: dlclose | 108 | A library that is opened again after it was unloaded has its data as in the file, zeros included, and constructs itself again | glibc
/// row: dladdr | nobody's data: | dladdr knows no address of a library that was unloaded | glibc
/// row: dlopen | loaded: | RTLD_NOLOAD finds nothing after the last dlclose | glibc
#include <dlfcn.h>
#include <stdio.h>

static void visit(void)
{
    void *first = dlopen("plugin.so", RTLD_NOW);
    void *second = dlopen("plugin.so", RTLD_NOW);
    int (*next)(void) = (int (*)(void))dlsym(first, "next");
    int *(*address)(void) = (int *(*)(void))dlsym(first, "address");
    printf("one library: %d\n", first == second);
    printf("%d\n", next());
    printf("close: %d\n", dlclose(second));
    printf("%d\n", next());
    int *data = address();
    Dl_info info;
    printf("its data: %d\n", dladdr(data, &info) != 0);
    printf("close: %d\n", dlclose(first));
    printf("nobody's data: %d\n", dladdr(data, &info) == 0);
    printf("loaded: %d\n", dlopen("plugin.so", RTLD_NOW | RTLD_NOLOAD) != NULL);
}

int run_case(void)
{
    visit();
    visit();
    return 0;
}
