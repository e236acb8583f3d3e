/* A library that tells when it begins and ends. */
#include <stdio.h>

__attribute__((constructor)) static void start(void)
{
    printf("top begins\n");
}

__attribute__((destructor)) static void end(void)
{
    printf("top ends\n");
}
