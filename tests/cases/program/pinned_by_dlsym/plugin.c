/* A library that tells when it begins and ends. */
#include <stdio.h>

static int is_last;

__attribute__((constructor)) static void start(void)
{
    printf("plugin begins\n");
}

__attribute__((destructor)) static void end(void)
{
    printf("plugin ends%s\n", is_last ? " at exit" : " when it is closed");
}

void be_last(void)
{
    is_last = 1;
}

int plugged(void)
{
    return 42;
}
