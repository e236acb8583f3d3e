/* A library that tells when it ends. */
#include <stdio.h>

__attribute__((destructor)) static void end(void)
{
    printf("right ends\n");
}
