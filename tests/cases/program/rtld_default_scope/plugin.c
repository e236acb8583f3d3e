/* Opened local by case.so. */
#include <dlfcn.h>
#include <stddef.h>

int plugin_function(void)
{
    return 8;
}

int finds(const char *name)
{
    return dlsym(RTLD_DEFAULT, name) != NULL;
}
