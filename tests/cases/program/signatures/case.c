/* Proves that functions of every type are called by pointers of dlsym, with types that no other library has. */
/// row: c | nothing: | A function without parameters and result is called by a pointer of dlsym | core.dlfcn_funcs; core.relocatable_void_function
/// row: c | integers: | Functions of one to five integers are called by pointers of dlsym | core.dlfcn_funcs
/// row: c | floating: | Functions of float and double are called by pointers of dlsym | core.dlfcn_funcs; core.dylink_floats
/// row: c | wide: | 64-bit parameters and results pass by a pointer of dlsym | core.dlfcn_i64; core.dylink_i64
/// row: c | mixed-wide: | 64-bit, 32-bit and floating-point parameters pass in every mixture | core.dylink_i64_b; core.dylink_i64_c
/// row: c | thirteen: | A function of thirteen parameters, a type that only its library has, is called | core.dlfcn_unique_sig
/// row: c | thirty: | A function of thirty parameters is called | core.dlfcn_unique_sig
/// row: c | pointer-to-pointer: | A function returns a function that returns a function of another library | core.dlfcn_funcs
/// row: c | structure: | A structure of function pointers, filled by a library, is called | core.dylink_funcpointer
/// row: c | narrow: | Narrow integers are extended by sign or by zero | tool-conventions BasicCABI
/// row: c | callback-varargs: | A function with variable arguments is called by pointer | core.dlfcn_varargs
/// row: memory | static-float: | A static table holds functions of floating-point types | core.dylink_static_funcpointer_float
#include <dlfcn.h>
#include <stdio.h>

#include "types.h"

static void *plugin;

static void *find(const char *name)
{
    void *function = dlsym(plugin, name);
    if (function == NULL)
        printf("%s\n", dlerror());
    return function;
}

int run_case(void)
{
    plugin = dlopen("plugin.so", RTLD_NOW);
    ((void (*)(void))find("count"))();
    ((void (*)(void))find("count"))();
    printf("nothing: %d\n", *(int *)find("counted"));
    printf("integers: %d %d %d\n", ((int (*)(int))find("one"))(1), ((int (*)(int, int, int))find("three"))(1, 2, 3),
        ((int (*)(int, int, int, int, int))find("five"))(1, 2, 3, 4, 5));
    printf("floating: %.3f %.3f\n", ((float (*)(float))find("single"))(1.5f), ((double (*)(double, float))find("both"))(2.25, 0.5f));
    printf("wide: %lld\n", ((long long (*)(long long))find("wide"))(1LL << 40));
    printf("mixed-wide: %lld\n", ((long long (*)(int, long long, float, long long, double, int))find("mixed"))(
        1, 10000000000LL, 2.0f, -3, 4.0, 5));
    printf("thirteen: %d\n", ((thirteen *)find("add_thirteen"))(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13));
    printf("thirty: %d\n", ((thirty *)find("add_thirty"))(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
        22, 23, 24, 25, 26, 27, 28, 29, 30));
    printf("pointer-to-pointer: %d\n", ((finder *)find("find_finder"))()()(20));
    struct operations operations;
    ((void (*)(struct operations *))find("fill"))(&operations);
    printf("structure: %d %.1f %lld\n", operations.integer(2), operations.floating(0.5), operations.wide(3));
    printf("narrow: %d %d %d %d\n", ((signed char (*)(int))find("narrow_signed"))(200), ((unsigned char (*)(int))find("narrow"))(-1),
        ((short (*)(short, unsigned short))find("narrow_sum"))(-5, 65535), ((int (*)(signed char))find("widened"))(-128));
    printf("callback-varargs: %d\n", ((int (*)(variable *))find("call_variable"))((variable *)find("sum")));
    floating *const *table = find("table");
    printf("static-float: %.2f %.2f\n", table[0](2.0), table[1](2.0));
    return 0;
}
