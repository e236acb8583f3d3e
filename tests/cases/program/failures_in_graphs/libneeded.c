/* Needed by top.so alone. */
#include "started.h"

int needed_function(void)
{
    return 2;
}

__attribute__((constructor)) static void start(void)
{
    note("libneeded");
}
