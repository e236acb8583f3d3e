/* A library that tells when it begins and ends. */
#include <stdio.h>

__attribute__((constructor)) static void start(void)
{
    printf("provider begins\n");
}

__attribute__((destructor)) static void end(void)
{
    printf("provider ends\n");
}

static int calls;

int provided(void)
{
    return ++calls;
}
