/* Proves that two libraries may need each other: calls, data and function addresses both ways, each initialized once. */
/// row: search | initialized: | Libraries that need each other load, each constructed once | ELF gABI; gap.needed_cycle
/// row: search | seen by the constructors: | Constructors in a cycle see the other's relocated data | ELF gABI; core.dylink_spaghetti
/// row: search | five steps from liba: | Libraries of a cycle call each other | gap.needed_cycle
/// row: memory | addresses in static data: | Static data of libraries in a cycle holds addresses of each other's functions and data | core.dylink_spaghetti
#include <dlfcn.h>
#include <stdio.h>

int liba_half(int n);
extern int liba_data, liba_started, liba_saw_b;
extern int (*const libb_function_of_a)(int);
extern int *const libb_data_of_a;

int run_case(void)
{
    void *libb = dlopen("libb.so", RTLD_NOW);
    int (*libb_half)(int) = (int (*)(int))dlsym(libb, "libb_half");
    int *libb_data = dlsym(libb, "libb_data"), *libb_started = dlsym(libb, "libb_started");
    int *libb_saw_a = dlsym(libb, "libb_saw_a");
    int (*const *liba_function_of_b)(int) = dlsym(libb, "liba_function_of_b");
    int *const *liba_data_of_b = dlsym(libb, "liba_data_of_b");

    printf("initialized: liba %d, libb %d\n", liba_started, *libb_started);
    printf("seen by the constructors: %d %d\n", liba_saw_b, *libb_saw_a);
    printf("five steps from liba: %d, from libb: %d\n", liba_half(5), libb_half(5));
    *libb_data = 2;
    liba_data = 100;
    printf("after changes: %d, %d\n", liba_half(5), libb_half(5));
    printf("addresses in static data: %d %d %d %d\n", libb_function_of_a == libb_half, libb_data_of_a == libb_data,
        *liba_function_of_b == liba_half, *liba_data_of_b == &liba_data);
    printf("calls through them: %d %d\n", libb_function_of_a(1), (*liba_function_of_b)(1));
    return 0;
}
