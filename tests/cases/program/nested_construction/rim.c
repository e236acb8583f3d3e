/* Needs the library that is being constructed, and opens it again. */
#include <dlfcn.h>
#include <stdio.h>

extern int ring_value;
int rim_saw;

__attribute__((constructor)) static void start(void)
{
    void *ring = dlopen("ring.so", RTLD_NOW);
    rim_saw = ring_value + 10 * (ring != NULL) + 100 * (dlsym(ring, "ring_value") == &ring_value);
    printf("rim begins, saw %d, closed %d\n", rim_saw, dlclose(ring));
}
