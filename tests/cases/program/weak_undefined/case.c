/* Proves that a weak symbol which nothing defines has the address NULL, and one that something defines has its own. */
/// row: symbols | undefined function: | Weak symbols that nobody defines have the address NULL | ELF gABI STB_WEAK; core.dylink_weak_undef; other.extern_weak_dynamic
/// row: symbols | in static tables: | Weak symbols that nobody defines are NULL in static data | ELF gABI STB_WEAK; core.dylink_weak_undef
/// row: symbols | weak reference to something defined: | A weak reference to what is defined is bound | ELF gABI STB_WEAK; other.extern_weak_dynamic
/// row: symbols | weak reference to data of the C library: | A weak reference to data of the main program is bound | ELF gABI STB_WEAK; other.extern_weak_dynamic
#include <stdio.h>
#include <string.h>

#define WEAK __attribute__((weak))
WEAK extern int nowhere_data;
WEAK int nowhere_function(int x);
WEAK double nowhere_mixed(double x, long long y, float z);
WEAK const char *driver_name(void);
WEAK extern char **environ;

int (*function_table[])(int) = {nowhere_function};
int *data_table[] = {&nowhere_data};

__attribute__((noinline)) static int call_if_there(int x)
{
    return nowhere_function != NULL ? nowhere_function(x) : -x;
}

int run_case(void)
{
    int (*volatile function)(int) = nowhere_function;
    int *volatile data = &nowhere_data;
    printf("undefined function: %s, data: %s\n", function == NULL ? "NULL" : "something", data == NULL ? "NULL" : "something");
    printf("in static tables: %d %d\n", function_table[0] == NULL, data_table[0] == NULL);
    printf("guarded call: %d\n", call_if_there(3));
    printf("guarded read: %d\n", data != NULL ? *data : 0);
    printf("guarded call of another type: %.1f\n", nowhere_mixed != NULL ? nowhere_mixed(1, 2, 3) : 1.5);
    printf("weak reference to something defined: %s\n", driver_name != NULL ? driver_name() : "NULL");
    printf("weak reference to data of the C library: %d\n", &environ != NULL);
    return 0;
}
