/* Refers to data and functions of the library that needs it. */
#include "many.h"

extern int case_value;
int case_call(int x);

int liba_value = 20, liba_seen;
int *liba_pointer = &case_value;
int (*const liba_back)(int) = case_call;
int liba_array[] = {4, 5, 6, 7};
int tentative;

int *liba_tentative(void)
{
    return &tentative;
}

#define DECLARE(n) int case_function_##n(int);
MANY(DECLARE)
#define ADDRESS(n) case_function_##n,
int (*liba_table[COUNT])(int) = {MANY(ADDRESS)};

#define POINTER(n) &case_value,
static int *hundred[] = {TEN(POINTER, 1) TEN(POINTER, 2) TEN(POINTER, 3) TEN(POINTER, 4) TEN(POINTER, 5) TEN(POINTER, 6)
    TEN(POINTER, 7) TEN(POINTER, 8) TEN(POINTER, 9) TEN(POINTER, 0)};

int liba_hundredth(int i)
{
    return *hundred[i] + i;
}

__attribute__((constructor)) static void start(void)
{
    liba_seen = case_value;
    case_value = 11;
}

int liba_call(int x)
{
    return liba_back(x) * 2;
}
