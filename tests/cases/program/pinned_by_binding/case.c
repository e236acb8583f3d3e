/* Proves that a library stays, though closed, while another is bound to one of its symbols. */
/// row: dlclose | 2 | A closed library stays while another is bound to one of its symbols | glibc
/// row: dlclose | provider ends | It ends with the last library that is bound to it, after that one | glibc
/// row: dlopen | the same: | Opening a library that stayed gives the same library, with its data | glibc
#include <dlfcn.h>
#include <stdio.h>

int run_case(void)
{
    void *provider = dlopen("provider.so", RTLD_NOW | RTLD_GLOBAL);
    void *user = dlopen("user.so", RTLD_NOW);
    int (*use)(void) = (int (*)(void))dlsym(user, "use");
    printf("%d\n", use());
    printf("close provider: %d\n", dlclose(provider));
    printf("%d\n", use());
    provider = dlopen("provider.so", RTLD_NOW);
    printf("the same: %d\n", ((int (*)(void))dlsym(provider, "provided"))());
    printf("close provider: %d\n", dlclose(provider));
    printf("close user: %d\n", dlclose(user));
    printf("loaded: %d\n", dlopen("provider.so", RTLD_NOW | RTLD_NOLOAD) != NULL);
    return 0;
}
