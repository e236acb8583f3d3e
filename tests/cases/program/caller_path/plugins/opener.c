/* Opens a library in its own runtime path, and needs another one there. */
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

int needed_function(void);

int open_bare(void)
{
    return dlopen("extra.so", RTLD_NOW) != NULL;
}

int open_beside(void)
{
    Dl_info info;
    char path[2 * PATH_MAX];
    dladdr((void *)open_bare, &info);
    snprintf(path, sizeof path, "%.*s/more/extra.so", (int)(strrchr(info.dli_fname, '/') - info.dli_fname), info.dli_fname);
    return dlopen(path, RTLD_NOW) != NULL;
}

int call_needed(void)
{
    return needed_function();
}
