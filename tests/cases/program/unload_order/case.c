/* Proves that libraries end before those that they need, that one which somebody else needs stays, and that a cycle goes as one. */
/// row: dlclose | top ends | A library ends before those that it needs | ELF gABI, termination functions; gap.unloading
/// row: dlclose | close right | A library that another open one needs stays when who needed it first is closed | glibc; gap.unloading
/// row: dlclose | ring ends | The libraries of a cycle leave together, when the last that is open is closed | glibc; gap.unloading
#include <dlfcn.h>
#include <stdio.h>

int run_case(void)
{
    void *top = dlopen("top.so", RTLD_NOW);
    void *right = dlopen("libright.so", RTLD_NOW);
    printf("close top\n");
    dlclose(top);
    printf("close right\n");
    dlclose(right);
    void *ring = dlopen("libring.so", RTLD_NOW);
    void *loop = dlopen("libloop.so", RTLD_NOW);
    printf("close ring\n");
    dlclose(ring);
    printf("close loop\n");
    dlclose(loop);
    printf("closed\n");
    return 0;
}
