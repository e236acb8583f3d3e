/* Number 1 of a chain of which each needs the one before. */
#include <dlfcn.h>
#include <stdio.h>

int deep1;

__attribute__((constructor)) static void start(void)
{
    deep1 = 1;
    printf("deep1 begins\n");
    dlopen("deepa.so", RTLD_NOW);
    printf("deep1 ends\n");
}
