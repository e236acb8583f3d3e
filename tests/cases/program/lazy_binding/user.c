/* Calls what is defined later, from itself and from a library that it needs. */
#include <stdio.h>

int provided_later(int x, double y, long long z);
int needed_through(int x);
int weak_later(void) __attribute__((weak));

int present(int x)
{
    return x + 1;
}

int use(int x, double y, long long z)
{
    return provided_later(x, y, z);
}

int through(int x)
{
    return needed_through(x);
}

int use_weak(void)
{
    return weak_later();
}

__attribute__((constructor)) static void start(void)
{
    printf("user.so starts\n");
}
