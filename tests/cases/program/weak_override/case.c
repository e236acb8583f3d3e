/* Proves that of several weak definitions the first in the scope serves everyone, those who define another included. */
/// row: symbols | which: case liba, | Of weak definitions the first in scope serves all, those who define another included | ELF gABI; core.dylink_weak_multilib; core.dylink_weak
/// row: symbols | which_data: | Of weak data the first in scope serves all | ELF gABI; gap.weak_data_overridden
/// row: symbols | one address: | A weak function that two libraries define has one address | ELF gABI; core.dylink_weak_multilib
/// row: symbols | driver_name: | The main program's definition comes before all weak ones | ELF gABI
/// row: dlsym | dlsym: in case.so's scope | dlsym finds weak definitions in the order of the handle's scope | POSIX dlsym; gap.dlsym_dependency_order
#include <dlfcn.h>
#include <stdio.h>

typedef const char *function(void);
function which, which_of_a, which_of_b, which_data_of_a, which_data_of_b, driver_name, driver_name_of_a, driver_name_of_b;
function *address_of_a(void), *address_of_b(void);
extern const char *which_data;

int run_case(void)
{
    function *volatile own = which;
    printf("which: case %s, liba %s, libb %s\n", which(), which_of_a(), which_of_b());
    printf("which_data: case %s, liba %s, libb %s\n", which_data, which_data_of_a(), which_data_of_b());
    printf("one address: %d\n", own == address_of_a() && own == address_of_b());
    printf("driver_name: case %s, liba %s, libb %s\n", driver_name(), driver_name_of_a(), driver_name_of_b());

    void *self = dlopen("case.so", RTLD_NOW), *libb = dlopen("libb.so", RTLD_NOW);
    function *first = (function *)dlsym(self, "which"), *second = (function *)dlsym(libb, "which");
    printf("dlsym: in case.so's scope %s, in libb.so's own %s\n", first(), second());
    return 0;
}
