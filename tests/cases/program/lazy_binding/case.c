/* Proves that RTLD_LAZY binds functions when they are first called, in the scope as it is then, and that RTLD_NOW does not. */
/// row: dlopen | user.so: refused | RTLD_NOW fails when a function that is only called is not defined | POSIX RTLD_NOW
/// row: dlopen | data.so: refused | RTLD_LAZY fails when data is not defined | glibc; ELF gABI relocation
/// row: dlopen | address.so: refused | RTLD_LAZY fails when a function whose address is taken is not defined | glibc; ELF gABI relocation
/// row: dlopen | what is defined works: | RTLD_LAZY opens a library that calls functions nothing defines | POSIX RTLD_LAZY; glibc
/// row: symbols | use: 5 | A function is bound at its first call to a library opened RTLD_GLOBAL meanwhile, not to an RTLD_LOCAL one | POSIX RTLD_LAZY; glibc
/// row: symbols | through a needed library: | RTLD_LAZY holds for the libraries that come with the one that is opened | POSIX RTLD_LAZY; glibc
/// row: symbols | a weak one: | A weak function is bound at its first call, too | glibc; ELF gABI STB_WEAK
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static void refused(const char *file, int mode, const char *mentioned)
{
    void *handle = dlopen(file, mode);
    const char *error = dlerror();
    printf("%s: refused: %d, mentions %s: %d\n", file, handle == NULL, mentioned,
        error != NULL && strstr(error, mentioned) != NULL);
}

int run_case(void)
{
    refused("user.so", RTLD_NOW, "provided_");
    refused("data.so", RTLD_LAZY, "nowhere_variable");
    refused("address.so", RTLD_LAZY, "nowhere_function");

    void *user = dlopen("user.so", RTLD_LAZY);
    if (user == NULL) {
        printf("%s\n", dlerror());
        return 1;
    }
    int (*use)(int, double, long long) = (int (*)(int, double, long long))dlsym(user, "use");
    int (*present)(int) = (int (*)(int))dlsym(user, "present");
    int (*through)(int) = (int (*)(int))dlsym(user, "through");
    printf("what is defined works: %d\n", present(20));

    void *local = dlopen("local.so", RTLD_NOW | RTLD_LOCAL);
    void *provider = dlopen("provider.so", RTLD_NOW | RTLD_GLOBAL);
    printf("opened: %d %d\n", local != NULL, provider != NULL);
    for (int i = 0; i < 3; i++)
        printf("use: %d\n", use(i, 0.5, 1LL << 40));
    printf("through a needed library: %d\n", through(5));
    printf("a weak one: %d\n", ((int (*)(void))dlsym(user, "use_weak"))());
    return 0;
}
