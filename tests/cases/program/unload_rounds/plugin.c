/* Comes and goes, with a handler and a function pointer each time. */
#include <stdlib.h>

char *shared(void);
static int *counter;
static int was_used;

static void end(void)
{
    ++*counter;
}

static int twice(int value)
{
    was_used = 1;
    return 2 * value;
}

int (*start(int *count))(int)
{
    counter = count;
    atexit(end);
    return was_used || shared()[0] != 1 || shared()[4999]++ != 0 ? NULL : twice;
}
