/* Proves that arguments and results of every kind pass between libraries: wide, floating, structures, variable lists. */
/// row: c | add64: | 64-bit integers pass between libraries | core.dylink_i64; core.dlfcn_i64
/// row: c | float: | float and double pass between libraries | core.dylink_floats
/// row: c | long double: | long double passes between libraries | core.dylink_floats
/// row: c | pair: | Small structures pass and return by value | tool-conventions BasicCABI
/// row: c | large: | Large structures pass by value and are copies | tool-conventions BasicCABI
/// row: c | union: | Unions pass by value | tool-conventions BasicCABI
/// row: c | complex: | Complex numbers pass by value | tool-conventions BasicCABI
/// row: c | 128 bits: | 128-bit integers pass between libraries | tool-conventions BasicCABI
/// row: c | many: | A function with very many parameters is called across libraries | core.dlfcn_unique_sig
/// row: c | bool: | bool returns as 0 or 1 | tool-conventions BasicCABI
/// row: c | variable: | Variable arguments pass between libraries | core.dlfcn_varargs
/// row: c | list passed on: | A va_list is passed on to another library | core.dlfcn_varargs
/// row: c | vsnprintf: | A va_list is passed on to the C library | core.dlfcn_varargs
#include <inttypes.h>
#include <stdio.h>

#include "types.h"

static double own_list(const char *types, ...)
{
    va_list list;
    va_start(list, types);
    double total = sum_list(types, list);
    va_end(list);
    return total;
}

static int own_vsnprintf(char *buffer, size_t size, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int length = vsnprintf(buffer, size, format, list);
    va_end(list);
    return length;
}

int run_case(void)
{
    printf("add64: %" PRId64 "\n", add64(INT64_C(-9000000000), UINT32_C(4000000000), -5, 255));
    printf("float: %.3f\n", scale_float(1.5f, 2.25));
    /* printed as a double: wasi-libc formats long double in a library of its own only */
    printf("long double: %.4f\n", (double)long_double(10.5L, -3));
    printf("one: %.2f\n", make_one((struct one){1.25}, 3).only);
    struct pair pair = swap_signs((struct pair){INT64_C(1) << 40, 0.5f});
    printf("pair: %" PRId64 " %.2f\n", pair.first, pair.second);
    struct large large = {{1, 2, 3, 4, 5, 6, 7, 8, 9}, 'z'}, reversed = reverse(large, 10);
    printf("large: %d %d %c, the argument still begins with %d\n", reversed.numbers[0], reversed.numbers[8], reversed.tail,
        large.numbers[0]);
    printf("union: %" PRIx64 "\n", toggle((union either){.integer = INT64_C(0x0123456789abcdef)}).integer);
    _Complex double rotated = rotate(3.0 + 4.0i);
    printf("complex: %.1f %.1f\n", __real__ rotated, __imag__ rotated);
    __int128 product = multiply128((__int128)3 << 70, 5);
    printf("128 bits: %" PRIx64 " %" PRIx64 "\n", (int64_t)(product >> 64), (int64_t)product);
    printf("many: %d\n", many(1, 2, 3, 4, 5, 6, 7, 8, 9, 1.5, 2.5f, 12));
    printf("bool: %d %d\n", flip(0), flip(1));
    printf("variable: %.3f\n", sum("ildLspoi", 1, INT64_C(1) << 33, 0.125, 0.5L, "7", (struct pair){10, 0.25f},
        (struct one){0.0625}, -100));
    printf("variable, none: %.1f\n", sum(""));
    printf("list passed on: %.2f\n", own_list("dlid", 1.5, INT64_C(-2), 3, 0.25));
    char text[64];
    int length = own_vsnprintf(text, sizeof text, "%d %s %.2f %lld %c", 42, "text", 2.5, -5000000000LL, '!');
    printf("vsnprintf: %d '%s'\n", length, text);
    return 0;
}
