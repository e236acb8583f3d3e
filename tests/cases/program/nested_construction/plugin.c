/* Opened by the opener's constructor; needs a library that is not constructed by then. */
#include <stdio.h>

extern int pending_count;
static int seen;

__attribute__((constructor)) static void start(void)
{
    seen = pending_count;
    printf("plugin begins, pending is there: %d\n", seen);
}

int plugin_says(void)
{
    return 10 * seen;
}
