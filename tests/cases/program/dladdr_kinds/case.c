/* Proves what dladdr knows of symbols that are no plain definitions, and of libraries that were opened in various ways. */
/// row: dladdr | static-function: | dladdr knows the library of a static function, and names no symbol that it is not | glibc dladdr
/// row: dladdr | static-data: | dladdr knows the library of static data, and names no symbol that it is not | glibc dladdr
/// row: dladdr | weak: | dladdr of a weak function that two libraries define names the one that serves | glibc dladdr
/// row: dladdr | pointer-from-main: | dladdr tells the C library's functions from those of libraries | glibc dladdr
/// row: dladdr | last-byte: | dladdr names the symbol at its last byte | glibc dladdr
/// row: dladdr | path: | dli_fname is a path that opens the library again | POSIX.1-2024 dladdr
/// row: dladdr | same-strings: | Two calls of dladdr give the same name and base | glibc dladdr
/// row: dladdr | local-library: | dladdr knows libraries that are RTLD_LOCAL | glibc dladdr
/// row: dladdr | string-literal: | dladdr knows the library of a string literal | glibc dladdr
/// row: dladdr | one-past: | An address far past a library's data is not that symbol's | glibc dladdr
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((weak)) int shared_weak(void)
{
    return 1;
}

int (*other_weak(void))(void);
const char *case_text = "a string literal";
int case_array[4] = {1, 2, 3, 4};

__attribute__((noinline)) static int static_function(int x)
{
    return x * 3;
}

static int static_data[50] = {1};
static int (*volatile static_pointer)(int) = static_function;

static const char *library_of(const void *address)
{
    Dl_info info;
    if (dladdr(address, &info) == 0 || info.dli_fname == NULL)
        return "none";
    const char *slash = strrchr(info.dli_fname, '/');
    return slash != NULL ? slash + 1 : info.dli_fname;
}

static const char *symbol_of(const void *address)
{
    Dl_info info;
    return dladdr(address, &info) != 0 && info.dli_sname != NULL ? info.dli_sname : "none";
}

int run_case(void)
{
    static_data[2] = static_pointer(1);
    printf("static-function: %s %s\n", library_of((void *)static_pointer), symbol_of((void *)static_pointer));
    printf("static-data: %s\n", library_of(&static_data[2]));
    printf("weak: %s %s %d\n", library_of((void *)shared_weak), symbol_of((void *)other_weak()), other_weak() == shared_weak);
    printf("pointer-from-main: %d\n", strcmp(library_of((void *)strtol), "case.so") != 0 && strcmp(library_of((void *)strtol), "none") != 0);
    printf("last-byte: %s\n", symbol_of((char *)case_array + sizeof case_array - 1));
    Dl_info one, two;
    if (dladdr((void *)run_case, &one) == 0 || dladdr(case_array, &two) == 0) {
        printf("own library is unknown\n");
        return 0;
    }
    void *again = dlopen(one.dli_fname, RTLD_NOW | RTLD_NOLOAD);
    printf("path: %d\n", again != NULL && dlsym(again, "run_case") == (void *)run_case);
    printf("same-strings: %d %d\n", strcmp(one.dli_fname, two.dli_fname) == 0, one.dli_fbase == two.dli_fbase);
    void *plugin = dlopen("plugin.so", RTLD_NOW | RTLD_LOCAL);
    void *function = dlsym(plugin, "plugin_function");
    printf("local-library: %s %s\n", library_of(function), symbol_of(function));
    printf("string-literal: %s\n", library_of(case_text));
    printf("one-past: %d\n", strcmp(symbol_of((void *)((uintptr_t)case_array + (64 << 20))), "case_array") != 0);
    return 0;
}
