/* Needed by another, so its destructor comes later. */
#include <dlfcn.h>
#include <stdio.h>

int base_value = 3;

__attribute__((destructor)) static void end(void)
{
    printf("base ends, user there: %d\n", dlopen("user.so", RTLD_NOW | RTLD_NOLOAD) != NULL);
}
