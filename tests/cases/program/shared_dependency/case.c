/* Proves that plugins opened one after the other share the instance of a library that both need. */
/// row: search | one constructor, | A plugin is constructed after the library it shares with others | core.dlfcn_rtld_local
/// row: search | two constructor, | A second plugin finds the shared library as the first one left it | core.dlfcn_rtld_local
/// row: search | one address: | A library that two local plugins need has one instance | POSIX dlopen; core.dlfcn_rtld_local
/// row: dlsym | found through both handles: | The shared library's symbols are found by the handle of each plugin | POSIX dlsym
/// row: dlsym | the one plugin is not found | A plugin's symbols are not found by the handle of another | POSIX dlsym
#include <dlfcn.h>
#include <stdio.h>

int run_case(void)
{
    void *one = dlopen("one.so", RTLD_NOW);
    if (one == NULL) {
        printf("%s\n", dlerror());
        return 1;
    }
    int (*one_add)(int) = (int (*)(int))dlsym(one, "one_add");
    int *(*one_pointer)(void) = (int *(*)(void))dlsym(one, "one_pointer");
    printf("one: %d\n", one_add(10));

    void *two = dlopen("two.so", RTLD_NOW);
    if (two == NULL) {
        printf("%s\n", dlerror());
        return 1;
    }
    int (*two_add)(int) = (int (*)(int))dlsym(two, "two_add");
    int *(*two_pointer)(void) = (int *(*)(void))dlsym(two, "two_pointer");
    printf("two: %d\n", two_add(100));
    printf("one again: %d\n", one_add(0));
    printf("one address: %d\n", one_pointer() == two_pointer());

    void *common = dlopen("libcommon.so", RTLD_NOW | RTLD_NOLOAD);
    printf("loaded by its name: %d, value %d\n", common != NULL, *(int *)dlsym(common, "common_value"));
    printf("found through both handles: %d\n", dlsym(one, "common_add") == dlsym(two, "common_add"));
    printf("the one plugin is not found through the other: %d\n", dlsym(one, "two_add") == NULL);
    return 0;
}
