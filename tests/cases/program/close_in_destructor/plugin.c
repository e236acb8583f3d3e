/* Opens a library when it begins, and closes it when it ends, where it also tries to close itself. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static void *helper;
static void *self;

__attribute__((constructor)) static void start(void)
{
    printf("round %s: plugin begins\n", getenv("ROUND"));
    helper = dlopen("helper.so", RTLD_NOW);
    self = dlopen("plugin.so", RTLD_NOW | RTLD_NOLOAD);
    printf("round %s: closes itself in its constructor: %d\n", getenv("ROUND"), dlclose(self));
}

__attribute__((destructor)) static void end(void)
{
    printf("round %s: plugin ends\n", getenv("ROUND"));
    printf("round %s: closes helper: %d\n", getenv("ROUND"), dlclose(helper));
    printf("round %s: closes itself: %d\n", getenv("ROUND"), dlclose(self));
    printf("round %s: error: %d\n", getenv("ROUND"), dlerror() != NULL);
}

int plugged(void)
{
    return 42;
}
