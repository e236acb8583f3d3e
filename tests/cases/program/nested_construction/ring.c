/* Its constructor opens a library that needs it. */
#include <dlfcn.h>
#include <stdio.h>

int ring_value = 1, ring_saw;

__attribute__((constructor)) static void start(void)
{
    ring_value = 2;
    printf("ring begins, rim next\n");
    void *rim = dlopen("rim.so", RTLD_NOW);
    int *seen = rim != NULL ? dlsym(rim, "rim_saw") : NULL;
    ring_saw = seen != NULL ? *seen : -1;
    ring_value = 3;
}
