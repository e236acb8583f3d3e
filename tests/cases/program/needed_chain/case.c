/* Proves that a chain of NEEDED libraries is loaded whole, initialized from its end, and searched by dlsym to its end. */
/// row: search | libb constructor | A library that is needed by a needed one is loaded and constructed first | ELF gABI; other.dylink_dependencies
/// row: dlsym | libb_function through the handle of case.so: | dlsym by handle finds symbols of needed libraries, at any depth | POSIX dlsym; gap.dlsym_dependency_order
/// row: search | libb.so opened by name | A library that was loaded as needed is opened by name, without a second instance | POSIX dlopen; core.dylink_dso_needed
/// row: search | liba.so opened by name | A needed library's handle leads to its own needed ones | POSIX dlsym
#include <dlfcn.h>
#include <stdio.h>

int liba_function(int x);

__attribute__((constructor)) static void start(void)
{
    printf("case constructor, liba_function(2) = %d\n", liba_function(2));
}

int run_case(void)
{
    printf("liba_function(3) = %d\n", liba_function(3));

    void *self = dlopen("case.so", RTLD_NOW);
    int (*deep)(int) = (int (*)(int))dlsym(self, "libb_function");
    int *data = dlsym(self, "libb_data");
    printf("libb_function through the handle of case.so: %d\n", deep(4));
    *data = 100;
    printf("after a change of libb_data: %d\n", liba_function(3));

    void *liba = dlopen("liba.so", RTLD_NOW);
    void *libb = dlopen("libb.so", RTLD_NOW);
    printf("liba.so opened by name has the same libb_function: %d\n", dlsym(liba, "libb_function") == (void *)deep);
    printf("libb.so opened by name has no liba_function: %d\n", dlsym(libb, "liba_function") == NULL);
    return 0;
}
