/* Proves in which order constructors run when one of them opens libraries that need others of the load under way. Every library says
 * when its constructor begins and ends; each needs those before it, so that the order of siblings plays no part. */
/// row: dlopen | plugin begins, pending is there: | A library that a constructor opens is constructed after the libraries of the load under way that it needs | glibc; ELF gABI initialization functions
/// row: dlopen | pending begins, depth | A constructor that a nested load has run does not run again | glibc
/// row: dlopen | opener ends: plugin says | The nested load is done when its dlopen returns | glibc
/// row: dlopen | chain of nested loads: | Nested loads in nested loads construct what each needs, once | glibc
/// row: dlopen | ring begins, rim | A nested load may need a library that is being constructed, and gets it as it is | glibc; gap.needed_cycle
/// row: dlclose | shut inside: | A library that a constructor opened and closed leaves, and those of the load under way stay | glibc
/// row: dlopen | round again: | A second load after such a one constructs what is left, and nothing twice | glibc
#include <dlfcn.h>
#include <stdio.h>

extern int pending_count;

__attribute__((constructor)) static void start(void)
{
    printf("case begins: pending %d\n", pending_count);
}

static void *open_and_say(const char *name)
{
    void *library = dlopen(name, RTLD_NOW);
    if (library == NULL)
        printf("%s: %s\n", name, dlerror());
    return library;
}

int run_case(void)
{
    printf("started: pending %d\n", pending_count);
    void *deep = open_and_say("deep.so");
    int *depth = deep != NULL ? dlsym(deep, "deep_order") : NULL;
    printf("chain of nested loads: %d\n", depth != NULL ? *depth : -1);
    void *ring = open_and_say("ring.so");
    int *rim = ring != NULL ? dlsym(ring, "ring_saw") : NULL;
    printf("ring: saw %d\n", rim != NULL ? *rim : -1);
    void *shutter = open_and_say("shutter.so");
    int *shut = shutter != NULL ? dlsym(shutter, "shut") : NULL;
    printf("shut inside: %d, still loaded %d\n", shut != NULL ? *shut : -1, dlopen("plugin2.so", RTLD_NOW | RTLD_NOLOAD) != NULL);
    void *again = open_and_say("again.so");
    printf("round again: %d, pending %d\n", again != NULL, pending_count);
    return 0;
}
