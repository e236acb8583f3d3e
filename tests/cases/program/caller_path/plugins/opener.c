/* Opens a library in its own runtime path, and needs another one there. */
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>

#include "folder.h"

int needed_function(void);

int open_bare(void)
{
    return dlopen("extra.so", RTLD_NOW) != NULL;
}

int open_beside(void)
{
    char folder[PATH_MAX], path[2 * PATH_MAX];
    folder_of((void *)open_bare, folder, sizeof folder);
    snprintf(path, sizeof path, "%s/more/extra.so", folder);
    return dlopen(path, RTLD_NOW) != NULL;
}

int call_needed(void)
{
    return needed_function();
}
