/* Does everything in its constructor. */
#include <dlfcn.h>
#include <string.h>

int outer_seen[7], outer_value = 6;
void *outer_handle;

__attribute__((constructor)) static void start(void)
{
    outer_handle = dlopen("outer.so", RTLD_NOW);
    int *value = dlsym(outer_handle, "outer_value");
    outer_seen[0] = value == &outer_value;
    outer_seen[1] = dlopen("no-such-library.so", RTLD_NOW) == NULL;
    const char *error = dlerror();
    outer_seen[2] = error != NULL && strstr(error, "no-such-library.so") != NULL;
    void *inner = dlopen("inner.so", RTLD_NOW);
    int (*inner_function)(void) = inner != NULL ? (int (*)(void))dlsym(inner, "inner_function") : NULL;
    outer_seen[3] = inner_function != NULL ? inner_function() : -1;
    outer_seen[4] = dlsym(RTLD_DEFAULT, "outer_value") == &outer_value;
    int *depth = inner != NULL ? dlsym(inner, "inner_depth") : NULL;
    outer_seen[5] = depth != NULL ? *depth : -1;
    outer_seen[6] = inner != NULL ? dlclose(inner) : -1;
}
