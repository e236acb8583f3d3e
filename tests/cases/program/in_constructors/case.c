/* Proves what constructors may do with the loader: search, fail, open what needs the library that is being loaded. */
/// row: dlopen | sees-itself: | A constructor finds its library's own symbols by handle | glibc; gap.dlopen_in_constructor
/// row: dlopen | failed-inside: | A dlopen that fails in a constructor does not fail the outer one | glibc; gap.dlopen_in_constructor
/// row: dlopen | needs-the-loading: | A constructor opens a library that needs the one being loaded | glibc; gap.dlopen_in_constructor; gap.needed_cycle
/// row: dlopen | default-inside: | Symbols of an RTLD_GLOBAL load are found by its constructors with RTLD_DEFAULT | glibc; gap.dlopen_in_constructor
/// row: dlopen | nested-deep: | Constructors open libraries whose constructors open libraries | glibc; gap.dlopen_in_constructor
/// row: dlopen | closed-inside: | A constructor closes what it opened | POSIX dlclose; gap.dlopen_in_constructor
/// row: dlsym | own-handle: | Opening the outer library from a constructor gives the handle that dlopen will return | glibc; gap.dlopen_in_constructor
/// row: dlerror | error-inside: | An error inside of a constructor is read there | POSIX dlerror
#include <dlfcn.h>
#include <stdio.h>

int run_case(void)
{
    void *outer = dlopen("outer.so", RTLD_NOW | RTLD_GLOBAL);
    if (outer == NULL) {
        printf("%s\n", dlerror());
        return 1;
    }
    const int *seen = dlsym(outer, "outer_seen");
    printf("sees-itself: %d\n", seen[0]);
    printf("failed-inside: %d\n", seen[1]);
    printf("error-inside: %d\n", seen[2]);
    printf("needs-the-loading: %d\n", seen[3]);
    printf("default-inside: %d\n", seen[4]);
    printf("nested-deep: %d\n", seen[5]);
    printf("closed-inside: %d\n", seen[6]);
    printf("own-handle: %d\n", *(void **)dlsym(outer, "outer_handle") == outer);
    return 0;
}
