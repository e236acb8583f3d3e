/* A definition in front of the last. */
#include <dlfcn.h>
#include <stdio.h>

const char *value(int depth)
{
    printf("middle at depth %d\n", depth);
    const char *(*next)(int) = (const char *(*)(int))dlsym(RTLD_NEXT, "value");
    return next(depth + 1);
}
