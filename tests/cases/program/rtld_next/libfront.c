/* A definition in front of both, and of a function of the C library. */
#include <dlfcn.h>
#include <stdio.h>

const char *value(int depth)
{
    printf("front at depth %d\n", depth);
    const char *(*next)(int) = (const char *(*)(int))dlsym(RTLD_NEXT, "value");
    return next(depth + 1);
}

int only_front(void)
{
    return dlsym(RTLD_NEXT, "only_front") == NULL;
}

int finds_puts(int (*puts_of_main)(const char *))
{
    return (int (*)(const char *))dlsym(RTLD_NEXT, "puts") == puts_of_main;
}
