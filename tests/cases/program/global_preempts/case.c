/* Proves that the global scope comes first: who defines what a global library defines too, uses that library's. */
/// row: symbols | used by second: | A library opened RTLD_GLOBAL earlier defines symbols before the library's own | ELF gABI; glibc
/// row: symbols | used by user: | The global scope comes before what a library needs | ELF gABI
/// row: symbols | after a change of first's: | Data of a global library is shared with those who define the same | ELF gABI
/// row: dlsym | found by handle: | dlsym by handle finds the library's own definition, whichever one is bound | POSIX dlsym
/// row: dlsym | found globally: | dlsym(RTLD_DEFAULT) finds the first definition in the order of loading | POSIX dlsym; other.dlopen_rtld_global
/// row: dlopen | what first needs is global too: | RTLD_GLOBAL makes the needed libraries global, too | glibc dlopen
#include <dlfcn.h>
#include <stdio.h>

static void *find(void *library, const char *name)
{
    void *symbol = dlsym(library, name);
    if (symbol == NULL)
        printf("%s\n", dlerror());
    return symbol;
}

int run_case(void)
{
    void *first = dlopen("first.so", RTLD_NOW | RTLD_GLOBAL);
    void *second = dlopen("second.so", RTLD_NOW | RTLD_GLOBAL);
    void *user = dlopen("user.so", RTLD_NOW);
    if (first == NULL || second == NULL || user == NULL) {
        printf("%s\n", dlerror());
        return 1;
    }
    int (*second_value)(void) = (int (*)(void))find(second, "second_value");
    const char *(*second_name)(void) = (const char *(*)(void))find(second, "second_name");
    int (*user_value)(void) = (int (*)(void))find(user, "user_value");
    const char *(*user_name)(void) = (const char *(*)(void))find(user, "user_name");
    int (*user_needed)(void) = (int (*)(void))find(user, "user_needed");

    printf("used by second: value %d, name %s\n", second_value(), second_name());
    printf("used by user: value %d, name %s, needed and only in second %d\n", user_value(), user_name(), user_needed());
    *(int *)find(first, "value") = 10;
    printf("after a change of first's: %d %d\n", second_value(), user_value());
    printf("found by handle: %d %d %d\n", *(int *)find(first, "value"), *(int *)find(second, "value"),
        *(int *)find(user, "value"));
    printf("found globally: %d %s\n", *(int *)find(RTLD_DEFAULT, "value"),
        ((const char *(*)(void))find(RTLD_DEFAULT, "name"))());
    printf("what first needs is global too: %d\n", ((int (*)(void))find(RTLD_DEFAULT, "needed_function"))());
    return 0;
}
