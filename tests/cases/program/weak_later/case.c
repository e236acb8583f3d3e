/* Proves that what is bound stays bound, and what is NULL stays NULL, whatever is loaded later; and that weak and strong count alike. */
/// row: symbols | weak-first: | A weak definition that comes first serves, though a later one is strong | ELF gABI; glibc; gap.weak_data_overridden
/// row: symbols | weak-data-first: | Weak data that comes first serves, though later data is strong | ELF gABI; gap.weak_data_overridden
/// row: symbols | stays-bound: | A library that is bound to a weak definition keeps it when a strong one is loaded RTLD_GLOBAL | ELF gABI; gap.weak_data_overridden
/// row: symbols | data-stays-bound: | Weak data that a library is bound to stays its data when another definition is loaded | ELF gABI; gap.weak_data_overridden
/// row: symbols | null-stays-null: | A weak symbol that was NULL stays NULL when a library that defines it is loaded | ELF gABI STB_WEAK; core.dylink_weak_undef
/// row: symbols | later-sees: | A library that is loaded later is bound to what was missing before | ELF gABI STB_WEAK; other.extern_weak_dynamic
/// row: dlsym | default-first: | dlsym(RTLD_DEFAULT) finds the weak definition that is first in the global scope | glibc; gap.weak_data_overridden
/// row: symbols | weak-undefined-data: | Weak data that nobody defines is NULL, and is defined for a later library | ELF gABI STB_WEAK; core.dylink_weak_undef
#include <dlfcn.h>
#include <stdio.h>

static int call(void *handle, const char *name)
{
    int (*function)(void) = (int (*)(void))dlsym(handle, name);
    return function != NULL ? function() : -1;
}

int run_case(void)
{
    void *weak = dlopen("weak.so", RTLD_NOW | RTLD_GLOBAL);
    int before = call(weak, "weak_asks"), data_before = call(weak, "weak_asks_data"), null_before = call(weak, "weak_asks_missing");
    dlopen("libstrong.so", RTLD_NOW | RTLD_GLOBAL);
    void *asks = dlopen("asks.so", RTLD_NOW);
    printf("weak-first: %d\n", call(asks, "asks"));
    printf("weak-data-first: %d\n", call(asks, "asks_data"));
    printf("stays-bound: %d %d\n", before, call(weak, "weak_asks"));
    printf("data-stays-bound: %d %d\n", data_before, call(weak, "weak_asks_data"));
    printf("null-stays-null: %d %d\n", null_before, call(weak, "weak_asks_missing"));
    void *late = dlopen("late.so", RTLD_NOW);
    printf("later-sees: %d\n", call(late, "late_asks_missing"));
    printf("default-first: %d %d\n", call(RTLD_DEFAULT, "number"), *(int *)dlsym(RTLD_DEFAULT, "datum"));
    printf("weak-undefined-data: %d %d\n", call(weak, "weak_asks_missing_data"), call(late, "late_asks_missing_data"));
    return 0;
}
