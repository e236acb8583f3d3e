/* Opens a library when it begins, and closes it when it ends, where it also tries to close itself. */
#include <dlfcn.h>
#include <stdio.h>

static void *helper;
static void *self;

__attribute__((constructor)) static void start(void)
{
    printf("plugin begins\n");
    helper = dlopen("helper.so", RTLD_NOW);
    self = dlopen("plugin.so", RTLD_NOW | RTLD_NOLOAD);
    printf("closes itself in its constructor: %d\n", dlclose(self));
}

__attribute__((destructor)) static void end(void)
{
    printf("plugin ends\n");
    printf("closes helper: %d\n", dlclose(helper));
    printf("closes itself: %d\n", dlclose(self));
    printf("error: %d\n", dlerror() != NULL);
}

int plugged(void)
{
    return 42;
}
