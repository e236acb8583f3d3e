/* Proves the order in which a handle is searched: the library, then what it needs, breadth first. */
/// row: dlsym | breadth-first: | dlsym by handle searches breadth first: what is needed directly comes before what that needs | POSIX dlsym; gap.dlsym_dependency_order
/// row: symbols | calls-breadth-first: | Calls of a load are bound breadth first, those from the far end included | ELF gABI; gap.dlsym_dependency_order
/// row: dlsym | own-first: | dlsym by handle finds the library's own definition first | POSIX dlsym
/// row: dlsym | from-the-middle: | A handle of a needed library searches from there | POSIX dlsym; gap.dlsym_dependency_order
/// row: dlsym | not-the-needing: | A handle does not lead to the libraries that need it | POSIX dlsym
/// row: dlsym | kinds: | One name may be a function in one library and data in another | ELF gABI
#include <dlfcn.h>
#include <stdio.h>

static const char *call(void *handle, const char *name)
{
    const char *(*function)(void) = (const char *(*)(void))dlsym(handle, name);
    return function != NULL ? function() : "not found";
}

int run_case(void)
{
    void *top = dlopen("top.so", RTLD_NOW);
    printf("breadth-first: %s\n", call(top, "who"));
    printf("calls-breadth-first: %s\n", call(top, "asked_by_deep"));
    printf("own-first: %s\n", call(top, "name"));
    printf("from-the-middle: %s, %s\n", call(dlopen("libleft.so", RTLD_NOW), "who"), call(dlopen("libleft.so", RTLD_NOW), "name"));
    printf("not-the-needing: %s\n", call(dlopen("libdeep.so", RTLD_NOW), "only_in_top"));
    printf("kinds: %s %d\n", call(top, "kind"), *(int *)dlsym(dlopen("libdeep.so", RTLD_NOW), "kind"));
    return 0;
}
