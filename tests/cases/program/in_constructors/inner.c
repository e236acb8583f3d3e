/* Needs outer.so, whose constructor opens it, and opens another one itself. */
#include <dlfcn.h>
#include <stddef.h>

extern int outer_value;
int inner_depth;

int inner_function(void)
{
    return outer_value * 7;
}

__attribute__((constructor)) static void start(void)
{
    void *innermost = dlopen("innermost.so", RTLD_NOW);
    int *value = innermost != NULL ? dlsym(innermost, "innermost_value") : NULL;
    inner_depth = value != NULL ? *value + 1 : -1;
}
