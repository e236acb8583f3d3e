/* Needs two libraries, and three symbols that nobody has at first. */
#include "started.h"

extern int libkept_value, missing_datum;
int needed_function(void), missing_one(void), missing_two(void);

int top_function(void)
{
    return needed_function() + missing_one() * 10 + missing_two() * 100 + missing_datum * 1000 + libkept_value * 10000;
}

__attribute__((constructor)) static void start(void)
{
    note("top");
}
