/* Proves that a function has one address, whoever takes it and by whatever way: main, two libraries, static data, dlsym. */
/// row: symbols | puts: | A C library function has one address, in main, in libraries, in static data, for dlsym | core.dylink_function_pointer_equality
/// row: symbols | own function: | A library's function has one address for itself, for its users and for dlsym | core.dlfcn_data_and_fptr
/// row: symbols | liba's function: | A pointer of dlsym equals the one in static data | other.dlsym_rtld_default
/// row: symbols | its alias: | An alias has the address of what it stands for | other.export_aliasee
/// row: symbols | driver's function: | dlsym of a function of the main program gives the address that libraries are linked with | POSIX dlsym
/// row: symbols | llabs: | An address that dlsym gave first is the one that a later library is linked with | gap.dlsym_dependency_order
/// row: symbols | hidden and static functions: | Hidden and static functions are not found, but called by pointer | ELF gABI STV_HIDDEN
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "driver.h"

typedef int function(int);
int (*liba_puts(void))(const char *);
size_t (*liba_strlen(void))(const char *);
function liba_function, liba_alias, *liba_hidden(void), *liba_static(void), *liba_own(void), *liba_case_function(void);

int (*static_puts)(const char *) = puts;
function *static_liba = liba_function;

int case_function(int x)
{
    return x + 1;
}

int run_case(void)
{
    int (*volatile own_puts)(const char *) = puts;
    size_t (*volatile own_strlen)(const char *) = strlen;
    function *volatile own = case_function, *volatile imported = liba_function;
    void *self = dlopen("case.so", RTLD_NOW), *liba = dlopen("liba.so", RTLD_NOW), *main = dlopen(NULL, RTLD_NOW);

    printf("puts: driver %d, liba %d, static data %d, RTLD_DEFAULT %d, main's handle %d\n", driver_puts() == own_puts,
        liba_puts() == own_puts, static_puts == own_puts, dlsym(RTLD_DEFAULT, "puts") == (void *)own_puts,
        dlsym(main, "puts") == (void *)own_puts);
    printf("strlen: driver %d, liba %d, RTLD_DEFAULT %d, of \"four\" %zu\n", driver_strlen() == own_strlen,
        liba_strlen() == own_strlen, dlsym(RTLD_DEFAULT, "strlen") == (void *)own_strlen, own_strlen("four"));
    printf("own function: liba %d, dlsym %d\n", liba_case_function() == own, dlsym(self, "case_function") == (void *)own);
    printf("liba's function: liba %d, static data %d, dlsym %d, dlsym by case.so's handle %d\n", liba_own() == imported,
        static_liba == imported, dlsym(liba, "liba_function") == (void *)imported,
        dlsym(self, "liba_function") == (void *)imported);
    printf("its alias: %d, by dlsym %d\n", liba_alias == imported, dlsym(liba, "liba_alias") == (void *)imported);
    printf("driver's function: RTLD_DEFAULT %d\n", dlsym(RTLD_DEFAULT, "driver_say") == (void *)driver_say);
    printf("of different functions: %d %d %d\n", own != imported, liba_hidden() != liba_static(), liba_hidden() != imported);

    /* of the main program's functions, this one has no slot in its table until somebody asks for its address */
    void *found = dlsym(RTLD_DEFAULT, "llabs"), *late = dlopen("late.so", RTLD_NOW);
    if (late == NULL) {
        printf("%s\n", dlerror());
        return 1;
    }
    long long (*(*late_llabs)(void))(long long) = (long long (*(*)(void))(long long))dlsym(late, "late_llabs");
    printf("llabs: found by dlsym before a library took its address %d, %lld\n", (void *)late_llabs() == found, late_llabs()(-7));
    printf("hidden and static functions: dlsym %d %d, but called by address %d %d\n", dlsym(liba, "hidden_function") != NULL,
        dlsym(liba, "static_function") != NULL, liba_hidden()(1), liba_static()(1));
    return 0;
}
