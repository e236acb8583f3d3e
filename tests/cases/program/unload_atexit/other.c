/* Registers handlers that run at exit. */
#include <stdio.h>
#include <stdlib.h>

static void first(void)
{
    printf("other: first handler\n");
}

static void second(void)
{
    printf("other: second handler\n");
}

void start_first(void)
{
    atexit(first);
}

void start_second(void)
{
    atexit(second);
}
