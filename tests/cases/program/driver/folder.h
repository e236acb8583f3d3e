/* The folder of the library that a function belongs to; the working directory where dladdr does not know. */
#ifndef FOLDER_H
#define FOLDER_H

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static inline void folder_of(const void *function, char *folder, size_t size)
{
    Dl_info info;
    memset(&info, 0, sizeof info);
    if (dladdr(function, &info) == 0 || info.dli_fname == NULL) {
        if (getcwd(folder, size) == NULL)
            folder[0] = '\0';
        return;
    }
    snprintf(folder, size, "%s", info.dli_fname);
    *strrchr(folder, '/') = '\0';
}

#endif
