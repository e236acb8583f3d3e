/* A library that tells when it begins and ends. */
#include <stdio.h>

__attribute__((constructor)) static void start(void)
{
    printf("first begins\n");
}

__attribute__((destructor)) static void end(void)
{
    printf("first ends\n");
}

int count_first(void)
{
    static int count;
    return ++count;
}
