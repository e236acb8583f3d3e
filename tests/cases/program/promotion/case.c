/* Proves how RTLD_GLOBAL reaches libraries that are loaded already, and in which order the global scope is searched. */
/// row: dlopen | needed-local: | What an RTLD_LOCAL library needs is local, too | POSIX dlopen
/// row: dlopen | needed-promoted: | Promotion to RTLD_GLOBAL reaches what the library needs | glibc dlopen
/// row: dlopen | noload-promotes: | RTLD_NOLOAD with RTLD_GLOBAL promotes without loading | glibc dlopen; gap.rtld_noload
/// row: dlopen | noload-missing: | RTLD_NOLOAD with RTLD_GLOBAL of what is not loaded gives NULL | glibc dlopen; gap.rtld_noload
/// row: dlsym | promoted-last: | A library stands in the global scope where it became global, not where it was loaded | glibc dlopen
/// row: dlsym | stays-first: | A second RTLD_GLOBAL moves nothing in the global scope | glibc dlopen
/// row: symbols | bound-to-first: | A later library is bound to the first definition in the global scope | ELF gABI; other.dlopen_rtld_global
/// row: dlopen | both-modes: | RTLD_LAZY and RTLD_NOW together are RTLD_NOW | glibc dlopen
#include <dlfcn.h>
#include <stdio.h>

static int call(void *handle, const char *name)
{
    int (*function)(void) = (int (*)(void))dlsym(handle, name);
    return function != NULL ? function() : -1;
}

int run_case(void)
{
    dlopen("one.so", RTLD_NOW | RTLD_LOCAL);
    printf("needed-local: %d %d\n", call(RTLD_DEFAULT, "of_one"), call(RTLD_DEFAULT, "of_needed"));
    dlopen("two.so", RTLD_NOW | RTLD_GLOBAL);
    printf("noload-promotes: %d\n", dlopen("one.so", RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL) != NULL ? call(RTLD_DEFAULT, "of_one") : -2);
    printf("needed-promoted: %d\n", call(RTLD_DEFAULT, "of_needed"));
    printf("promoted-last: %d\n", call(RTLD_DEFAULT, "which"));
    dlopen("one.so", RTLD_NOW | RTLD_GLOBAL);
    printf("stays-first: %d\n", call(RTLD_DEFAULT, "which"));
    printf("bound-to-first: %d\n", call(dlopen("user.so", RTLD_NOW), "used"));
    printf("noload-missing: %d\n", dlopen("late.so", RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL) == NULL);
    printf("both-modes: %d\n", call(dlopen("late.so", RTLD_NOW | RTLD_LAZY), "late"));
    return 0;
}
