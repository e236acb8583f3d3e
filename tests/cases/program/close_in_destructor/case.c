/* Proves that dlclose may be called by the constructors and destructors of a library that is closed. */
/// row: dlclose | round 1: closes helper: | A destructor may close another library, which is unloaded after it | glibc
/// row: dlclose | round 1: closes itself: | A handle is not valid any more in the destructor of its library | glibc
/// row: dlclose | round 1: closes itself in its constructor: | A constructor may open and close its own library | glibc
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

int run_case(void)
{
    for (int round = 1; round <= 2; round++) {
        setenv("ROUND", round == 1 ? "1" : "2", 1);
        void *plugin = dlopen("plugin.so", RTLD_NOW);
        printf("%d\n", ((int (*)(void))dlsym(plugin, "plugged"))());
        printf("close: %d\n", dlclose(plugin));
        printf("helper is loaded: %d\n", dlopen("helper.so", RTLD_NOW | RTLD_NOLOAD) != NULL);
    }
    return 0;
}
