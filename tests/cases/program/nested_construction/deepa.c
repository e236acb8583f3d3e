/* Opened in the constructor of the first of the chain; needs the second, and opens what needs the third. */
#include <dlfcn.h>
#include <stdio.h>

extern int deep2;

__attribute__((constructor)) static void start(void)
{
    printf("deepa begins, sees %d\n", deep2);
    dlopen("deepb.so", RTLD_NOW);
    printf("deepa ends\n");
}
