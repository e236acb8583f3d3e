/* A library that tells when it begins and ends. */
#include <stdio.h>

__attribute__((constructor)) static void start(void)
{
    printf("user begins\n");
}

__attribute__((destructor)) static void end(void)
{
    printf("user ends\n");
}

int provided(void);

int use(void)
{
    return provided();
}
