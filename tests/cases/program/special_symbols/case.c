/* Proves what becomes of symbols that are special to linkers: __dso_handle, sections' bounds, thread-local ones, aliases. */
/// row: symbols | dso-handle: | Every library has its own __dso_handle, those without data included | Itanium C++ ABI; musl
/// row: symbols | dso-handle-hidden: | dlsym does not find __dso_handle | Itanium C++ ABI
/// row: dladdr | dso-handle-in: | dladdr of __dso_handle names its library | glibc dladdr
/// row: symbols | own-section: | __start_ and __stop_ bound the library's own section, though another library has one of that name | GNU ld; wasm-ld
/// row: dlsym | thread-local: | dlsym of a thread-local variable gives its address in the calling thread | glibc dlsym
/// row: dlsym | thread-local-needed: | dlsym finds a needed library's thread-local variable, zeroed ones included | glibc dlsym
/// row: symbols | data-alias: | An alias of data is one variable under two names | ELF gABI; other.export_aliasee
/// row: symbols | weak-alias: | A weak alias has the address of what it stands for | ELF gABI; other.export_aliasee
/// row: dlsym | convention: | Names that the linking convention keeps for itself are no symbols | tool-conventions; ELF gABI
/// row: symbols | asm-label: | A function with a label of its own is called and found by that name | ELF gABI
/// row: memory | big-library: | A library of 64 KiB of data and 16 MiB of .bss is loaded, initialized and zeroed | tool-conventions MEM_INFO
/// row: symbols | common-name: | A library may have a variable of the name of a C library function that it does not use | ELF gABI
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

extern char __dso_handle __attribute__((visibility("hidden")));
extern int liba_original, liba_second_name, liba_weak_function(void);
int liba_function(void), labelled(void) __asm__("name.with.dots");
int liba_entries(void);
extern _Thread_local int liba_local, liba_local_zero;
void *liba_dso_handle(void);

__attribute__((section("case_entries"), used)) static int entries[] = {1, 2, 3};
extern int __start_case_entries[], __stop_case_entries[];

static const char *library_of(const void *address)
{
    Dl_info info;
    if (dladdr(address, &info) == 0 || info.dli_fname == NULL)
        return "none";
    const char *slash = strrchr(info.dli_fname, '/');
    return slash != NULL ? slash + 1 : info.dli_fname;
}

int run_case(void)
{
    void *self = dlopen("case.so", RTLD_NOW), *liba = dlopen("liba.so", RTLD_NOW);
    void *(*one)(void) = (void *(*)(void))dlsym(dlopen("bare1.so", RTLD_NOW), "bare_dso_handle");
    void *(*two)(void) = (void *(*)(void))dlsym(dlopen("bare2.so", RTLD_NOW), "bare_dso_handle");
    printf("dso-handle: %d %d %d\n", (void *)&__dso_handle != liba_dso_handle(), one() != two(),
        one() != (void *)&__dso_handle && one() != liba_dso_handle());
    printf("dso-handle-hidden: %d\n", dlsym(self, "__dso_handle") == NULL);
    printf("dso-handle-in: %s %s\n", library_of(&__dso_handle), library_of(liba_dso_handle()));
    printf("own-section: %d %d %d\n", (int)(__stop_case_entries - __start_case_entries), entries[2], liba_entries());
    liba_local = 17;
    int *local = dlsym(liba, "liba_local");
    printf("thread-local: %d %d\n", local == &liba_local, local != NULL ? *local : -1);
    int *zero = dlsym(self, "liba_local_zero");
    printf("thread-local-needed: %d %d\n", zero == &liba_local_zero, zero != NULL ? *zero : -1);
    liba_original = 9;
    int *volatile original = &liba_original; /* that two names have two addresses is what compilers take for granted */
    printf("data-alias: %d %d %d\n", &liba_second_name == original, liba_second_name,
        dlsym(liba, "liba_second_name") == dlsym(liba, "liba_original"));
    int (*volatile function)(void) = liba_function;
    printf("weak-alias: %d\n", liba_weak_function == function);
    static const char *const names[] = {"memory", "__indirect_function_table", "__memory_base", "__table_base", "__stack_pointer",
        "__wasm_call_ctors", "__wasm_apply_data_relocs", "__cpp_exception", "__heap_base"};
    int found = 0;
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        found += (dlsym(self, names[i]) != NULL) + (dlsym(RTLD_DEFAULT, names[i]) != NULL);
    printf("convention: %d\n", found);
    printf("asm-label: %d %d\n", labelled(), dlsym(liba, "name.with.dots") == (void *)labelled);
    void *big = dlopen("big.so", RTLD_NOW);
    int (*check)(void) = big != NULL ? (int (*)(void))dlsym(big, "big_check") : NULL;
    printf("big-library: %d\n", check != NULL ? check() : -1);
    void *shadow = dlopen("shadow.so", RTLD_NOW);
    printf("common-name: %d\n", shadow != NULL ? *(int *)dlsym(shadow, "wcscoll") : -1);
    return 0;
}
