/* Proves that dladdr names the library and the symbol of functions and data, and knows nothing of other addresses. */
/// row: dladdr | own function: | dladdr names library and symbol of a function | glibc dladdr; core.dlfcn_info
/// row: dladdr | inside of own data: | dladdr names the symbol that an address is inside of, and where it begins | glibc dladdr
/// row: dladdr | own zeroed data: | dladdr knows data in .bss | glibc dladdr
/// row: dladdr | liba's function: | dladdr tells which library a function is from, not which one asks | glibc dladdr
/// row: dladdr | by dlsym: | dladdr knows the pointers that dlsym gives | glibc dladdr
/// row: dladdr | one base for functions and data: | dli_fbase is one for everything of a library | glibc dladdr
/// row: dladdr | the driver's function: | dladdr knows functions of the main program | glibc dladdr
/// row: dladdr | heap: | dladdr refuses addresses that belong to no library | glibc dladdr; other.dladdr
/// row: dladdr | stack: | dladdr refuses addresses on the stack | glibc dladdr
/// row: dladdr | null: | dladdr refuses NULL | glibc dladdr
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"

int liba_function(int x);
extern int liba_data[];

int case_data[3] = {1, 2, 3};
int case_zeros[100];

int case_function(int x)
{
    return x + case_data[0];
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static void show(const char *what, const void *pointer)
{
    Dl_info info;
    memset(&info, 0, sizeof info);
    if (dladdr(pointer, &info) == 0) {
        printf("%s: unknown\n", what);
        return;
    }
    printf("%s: %s, %s, offset %d\n", what, base_name(info.dli_fname), info.dli_sname != NULL ? info.dli_sname : "no symbol",
        info.dli_sname != NULL ? (int)((uintptr_t)pointer - (uintptr_t)info.dli_saddr) : -1);
}

int run_case(void)
{
    show("own function", (void *)case_function);
    show("own function again", (void *)run_case);
    show("own data", case_data);
    show("inside of own data", &case_data[2]);
    show("own zeroed data", &case_zeros[50]);
    show("liba's function", (void *)liba_function);
    show("liba's data", &liba_data[1]);
    show("by dlsym", dlsym(dlopen("liba.so", RTLD_NOW), "liba_function"));

    Dl_info function, data;
    printf("one base for functions and data: %d\n", dladdr((void *)case_function, &function) != 0 &&
        dladdr(case_data, &data) != 0 && function.dli_fbase == data.dli_fbase);
    int known = dladdr((void *)driver_name, &function);
    printf("the driver's function: %s\n", known && function.dli_sname != NULL ? function.dli_sname : "unknown");
    void *heap = malloc(100000);
    show("heap", heap);
    free(heap);
    int local;
    show("stack", &local);
    show("null", NULL);
    return 0;
}
