/* Proves that libraries which refer to each other's data see each other's constructors at work. */
/// row: c++ | modified-by-constructor: | A needed library's constructor changes data of the library that needs it | core.dylink_global_var_modded
/// row: symbols | both-ways: | Two libraries hold pointers to each other's data | core.dylink_spaghetti
/// row: symbols | both-ways-calls: | Two libraries call each other through those pointers | core.dylink_spaghetti
/// row: c++ | constructors: | Constructors of both saw the other's initial value or change, in order | core.dylink_spaghetti; core.dylink_global_inits
/// row: memory | hundred: | A hundred pointers to another library's data are relocated | core.dylink_postsets_chunking
/// row: memory | postsets: | 1234 pointers to functions of another library are relocated, each to its own | core.dylink_many_postsets
/// row: symbols | tentative: | A variable that two libraries define without a value is one variable | ELF gABI
/// row: symbols | array-size: | A library sees an array of another through an incomplete type | C11 6.2.5
#include <stdio.h>

#include "many.h"

int case_value = 10;
int case_seen;
extern int liba_value, liba_seen, *liba_pointer, liba_hundredth(int);
extern int liba_array[];
int liba_call(int x);
extern int (*liba_table[COUNT])(int);
int *case_pointer = &liba_value;
int tentative;
int *liba_tentative(void);

#define DEFINE(n) int case_function_##n(int x) { return x + n; }
MANY(DEFINE)

int case_call(int x)
{
    return x + *case_pointer;
}

__attribute__((constructor)) static void start(void)
{
    case_seen = liba_value;
    liba_value = 21;
}

int run_case(void)
{
    printf("modified-by-constructor: %d\n", case_value);
    printf("both-ways: %d %d\n", *case_pointer, *liba_pointer);
    printf("both-ways-calls: %d\n", liba_call(1));
    printf("constructors: case saw %d, liba saw %d\n", case_seen, liba_seen);
    int sum = 0;
    for (int i = 0; i < 100; i++)
        sum += liba_hundredth(i);
    printf("hundred: %d\n", sum);
    int right = 0;
    for (int i = 0; i < COUNT; i++)
        right += liba_table[i](1000) == 1000 + i;
    printf("postsets: %d of %d\n", right, COUNT);
    tentative = 5;
    printf("tentative: %d\n", liba_tentative() == &tentative);
    printf("array-size: %d %d\n", liba_array[0], liba_array[3]);
    return 0;
}
