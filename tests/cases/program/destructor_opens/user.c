/* Needs a library, and opens another in its destructor. */
#include <dlfcn.h>
#include <stdio.h>

extern int base_value;

__attribute__((destructor)) static void end(void)
{
    void *base = dlopen("libbase.so", RTLD_NOW | RTLD_NOLOAD);
    printf("user ends, base there: %d\n", base != NULL && dlsym(base, "base_value") == &base_value);
    if (base != NULL)
        dlclose(base);
    void *helper = dlopen("helper.so", RTLD_NOW);
    printf("user ends: helper %d\n", helper != NULL ? *(int *)dlsym(helper, "helper_value") : -1);
    printf("user ends: closed %d\n", helper != NULL ? dlclose(helper) : -1);
}
