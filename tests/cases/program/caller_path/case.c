/* Proves by what a bare name is searched that a library with a runtime path of its own opens. */
/// row: search | bare-name: | The runtime path of the library that calls dlopen serves a bare name | ld.so RUNPATH; glibc dlopen
/// row: search | by-dladdr: | A library opens its neighbour by the folder that dladdr names | glibc dladdr
/// row: search | needed: | The same runtime path serves what the library needs | ld.so RUNPATH; other.dlopen_rpath
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>

#include "folder.h"

int run_case(void)
{
    char folder[PATH_MAX], path[2 * PATH_MAX];
    folder_of((void *)run_case, folder, sizeof folder);
    snprintf(path, sizeof path, "%s/plugins/opener.so", folder);
    void *opener = dlopen(path, RTLD_NOW);
    if (opener == NULL) {
        printf("%s\n", dlerror());
        return 1;
    }
    printf("bare-name: %d\n", ((int (*)(void))dlsym(opener, "open_bare"))());
    printf("by-dladdr: %d\n", ((int (*)(void))dlsym(opener, "open_beside"))());
    printf("needed: %d\n", ((int (*)(void))dlsym(opener, "call_needed"))());
    return 0;
}
