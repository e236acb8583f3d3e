/* Proves that dlsym finds thread-local variables, at the address where code has them. */
/// row: dlsym | 6 1 | dlsym gives the address of the calling thread's instance of a thread-local variable | glibc
#include <dlfcn.h>
#include <stdio.h>

extern _Thread_local int per_thread;
int *address_of_it(void);

int run_case(void)
{
    void *self = dlopen("case.so", RTLD_NOW);
    int *found = dlsym(self, "per_thread");
    printf("%d\n", *found);
    *found = 6;
    printf("%d %d\n", per_thread, found == address_of_it());
    return 0;
}
