/* The second library that takes addresses; what case.so compares its own with. */
#include <stdio.h>
#include <string.h>

int case_function(int x);

__attribute__((visibility("hidden"))) int hidden_function(int x)
{
    return x + 1000;
}

static int static_function(int x)
{
    return x + 2000;
}

int liba_function(int x)
{
    return x + 3000;
}

int liba_alias(int x) __attribute__((alias("liba_function")));

typedef int function(int);

int (*liba_puts(void))(const char *)
{
    return puts;
}

size_t (*liba_strlen(void))(const char *)
{
    return strlen;
}

function *liba_hidden(void)
{
    return hidden_function;
}

function *liba_static(void)
{
    return static_function;
}

function *liba_own(void)
{
    return liba_function;
}

function *liba_case_function(void)
{
    return case_function;
}
