/* Proves what dlopen(NULL) gives: the main program and everything global, as RTLD_DEFAULT. */
/// row: dlopen | null: | dlopen(NULL) gives a handle of the main program, each time the same | POSIX dlopen; core.dlfcn_self
/// row: dlopen | empty-name: | dlopen("") is refused | musl | In glibc it is dlopen(NULL); POSIX demands that of NULL alone, and an empty name is more likely a mistake
/// row: dlsym | own-function: | A function that is found by dlopen(NULL) is the one that libraries are linked with | POSIX dlopen; core.dlfcn_self
/// row: dlsym | own-data: | Data of the main program is found by dlopen(NULL) | core.dlfcn_self
/// row: dlsym | called: | A 64-bit function of the C library is called by a pointer of dlsym | other.dlsym_rtld_default
/// row: dlsym | absent: | What nobody defines is not found by dlopen(NULL) and RTLD_DEFAULT | POSIX dlsym; other.dlsym_rtld_default
/// row: dlsym | local-hidden: | dlopen(NULL) finds nothing of RTLD_LOCAL libraries | POSIX dlopen
/// row: dlsym | global-found: | dlopen(NULL) finds what RTLD_GLOBAL libraries define | POSIX dlopen
/// row: dlsym | caller-scope: | dlsym(RTLD_DEFAULT) searches the scope of the library that calls, its own RTLD_LOCAL one included | glibc dlsym
/// row: dlsym | main-first: | dlopen(NULL) finds the main program's definition before a global library's | POSIX dlopen
/// row: dlsym | by-own-handle: | A library's handle finds its definition, though the main program has another | POSIX dlsym
/// row: dlclose | null-closed: | The handle of dlopen(NULL) may be closed, and the main program stays | POSIX dlclose; core.dlfcn_self
/// row: dlopen | null-noload: | dlopen(NULL, RTLD_NOLOAD) gives the main program | glibc dlopen
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "driver.h"

int run_case(void)
{
    void *program = dlopen(NULL, RTLD_NOW);
    printf("null: %d %d\n", program != NULL, dlopen(NULL, RTLD_LAZY | RTLD_GLOBAL) == program);
    dlerror();
    void *empty = dlopen("", RTLD_NOW);
    const char *why = dlerror();
    printf("empty-name: refused %d, with an error %d, the program %d\n", empty == NULL, why != NULL, empty == program);
    printf("own-function: %d\n", dlsym(program, "driver_name") == (void *)driver_name);
    printf("own-data: %d\n", dlsym(program, "stdout") == (void *)&stdout);
    long long (*absolute)(long long) = (long long (*)(long long))dlsym(RTLD_DEFAULT, "llabs");
    printf("called: %lld\n", absolute(-5000000000));
    printf("absent: %d %d\n", dlsym(program, "nobody_defines_this") == NULL, dlsym(RTLD_DEFAULT, "nobody_defines_this") == NULL);

    void *plugin = dlopen("plugin.so", RTLD_NOW | RTLD_LOCAL);
    printf("local-hidden: %d\n", dlsym(program, "plugin_only") == NULL);
    dlopen("plugin.so", RTLD_NOW | RTLD_GLOBAL);
    void *found = dlsym(program, "plugin_only");
    printf("global-found: %d\n", found != NULL && found == dlsym(plugin, "plugin_only"));
    printf("caller-scope: %d\n", dlsym(RTLD_DEFAULT, "run_case") == (void *)run_case);
    printf("main-first: %s\n", ((const char *(*)(void))dlsym(program, "driver_name"))());
    printf("by-own-handle: %s\n", ((const char *(*)(void))dlsym(plugin, "driver_name"))());
    int closed = dlclose(program);
    printf("null-closed: %d, %s\n", closed, driver_name());
    printf("null-noload: %d\n", dlopen(NULL, RTLD_NOW | RTLD_NOLOAD) == program);
    return 0;
}
