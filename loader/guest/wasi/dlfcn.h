/* <dlfcn.h> for main and side modules of a WASI process that runs under pydl.
 *
 * Owns: the C interface of the dlopen family and its constants. libdl.c beside this file implements it; the host gives
 * the numbers below their meaning, so they cannot change without changing the import module's version.
 *
 * Put this folder before wasi-libc's headers (-isystem, first): wasi-libc has a <dlfcn.h> too, for stubs that always
 * fail. The include guard has the same name as there, so that only the first of the two takes effect.
 */
#ifndef _DLFCN_H
#define _DLFCN_H

#ifdef __cplusplus
extern "C" {
#endif

/* When functions are bound. One of the two has to be given. The host binds at once in both cases. */
#define RTLD_LAZY 1
#define RTLD_NOW 2

/* Only return a handle of what is loaded already. */
#define RTLD_NOLOAD 4

/* Who sees the library's symbols. LOCAL is the default and has no bit of its own, as on Linux. In wasi-libc's header
 * RTLD_LOCAL is 8; the host ignores that bit, so code compiled against that header works as well. */
#define RTLD_LOCAL 0
#define RTLD_GLOBAL 0x100

/* dlclose() never unloads the library. */
#define RTLD_NODELETE 0x1000

/* What the load brings in is searched before the global scope. glibc's number for it is what wasi-libc has for RTLD_LOCAL. */
#define RTLD_DEEPBIND 0x4000

/* Instead of a handle for dlsym(): the first definition in the global scope, and the one after the caller's library. */
#define RTLD_DEFAULT ((void *)0)
#define RTLD_NEXT ((void *)-1)

/* Everything is NULL that is not known. The host allocates the two strings with malloc(), once for each library and
 * symbol at most, and keeps them as long as the library is loaded: callers must not free them. */
typedef struct {
    const char *dli_fname; /* path of the library that the address belongs to */
    void *dli_fbase;       /* where that library's data begins */
    const char *dli_sname; /* nearest symbol at or below the address */
    void *dli_saddr;       /* that symbol's address, or its table index for a function */
} Dl_info;

/* clang compiles WebAssembly with hidden visibility unless told otherwise. An undefined hidden symbol cannot be imported
 * by a side module, and a hidden definition is not exported from a main module by --export-dynamic. */
#pragma GCC visibility push(default)

void *dlopen(const char *file, int flags);
void *dlsym(void *__restrict handle, const char *__restrict name);
int dlclose(void *handle);
char *dlerror(void);
int dladdr(const void *address, Dl_info *info);

/* What is written to where the third argument points: always 0, a struct link_map * (<link.h>), a path with its NUL. */
#define RTLD_DI_LMID 1
#define RTLD_DI_LINKMAP 2
#define RTLD_DI_ORIGIN 6

/* Of the host itself, for main and side modules alike; libdl.c has no part in it. 0 or -1. */
__attribute__((import_module("env"), import_name("dlinfo"))) int dlinfo(void *handle, int request, void *argument);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
