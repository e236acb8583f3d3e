/* Opened with RTLD_GLOBAL before the others: its definitions come before theirs. */
#include "needed.h"

int value = 1;

__attribute__((weak)) const char *name(void)
{
    return "first";
}

int first_needed(void)
{
    return needed_function();
}
