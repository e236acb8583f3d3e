/* Proves that a library is unloaded by the last dlclose: its destructor runs, and what is opened again is new. */
/// row: dlclose | plugin ends in round 1 | The last dlclose of a library, and no earlier one, runs its destructors before it returns | glibc; gap.unloading
/// row: dlclose | round 2: data 108 | A library that is opened again after it was unloaded has its data as in the file, zeros included, and constructs itself again | glibc; gap.unloading
/// row: dladdr | round 1: nobody's data: | dladdr knows no address of a library that was unloaded | glibc; gap.unloading
/// row: dlopen | round 1: loaded: | RTLD_NOLOAD finds nothing after the last dlclose | glibc; gap.unloading
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static void visit(const char *round)
{
    setenv("ROUND", round, 1);
    void *first = dlopen("plugin.so", RTLD_NOW);
    void *second = dlopen("plugin.so", RTLD_NOW);
    int (*next)(void) = (int (*)(void))dlsym(first, "next");
    int *(*address)(void) = (int *(*)(void))dlsym(first, "address");
    printf("round %s: one library: %d\n", round, first == second);
    printf("round %s: data %d\n", round, next());
    printf("round %s: close: %d\n", round, dlclose(second));
    printf("round %s: then %d\n", round, next());
    int *data = address();
    Dl_info info;
    printf("round %s: its data: %d\n", round, dladdr(data, &info) != 0);
    int status = dlclose(first);
    printf("round %s: last close: %d\n", round, status);
    printf("round %s: nobody's data: %d\n", round, dladdr(data, &info) == 0);
    printf("round %s: loaded: %d\n", round, dlopen("plugin.so", RTLD_NOW | RTLD_NOLOAD) != NULL);
}

int run_case(void)
{
    visit("1");
    visit("2");
    return 0;
}
