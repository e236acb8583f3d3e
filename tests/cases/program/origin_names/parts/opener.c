/* Opens a library in a folder beside its own. */
#include <dlfcn.h>
#include <stddef.h>

int opener_value;

__attribute__((constructor)) static void start(void)
{
    void *target = dlopen("$ORIGIN/inner/target.so", RTLD_NOW);
    opener_value = target != NULL ? *(int *)dlsym(target, "target_value") : -1;
}
