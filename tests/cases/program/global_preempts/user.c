/* Opened last and local: defines the same symbols, and uses them and those that the global libraries need or define. */
#include "needed.h"

int value = 3;
extern int only_in_second;

__attribute__((weak)) const char *name(void)
{
    return "user";
}

int user_value(void)
{
    return value;
}

const char *user_name(void)
{
    return name();
}

int user_needed(void)
{
    return needed_function() + only_in_second;
}
