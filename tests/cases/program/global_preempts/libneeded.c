/* Needed by first.so: becomes global with it. */
#include "needed.h"

int needed_function(void)
{
    return 33;
}
