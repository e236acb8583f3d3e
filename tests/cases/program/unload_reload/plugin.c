/* Has data that is zero, data that is not, a constructor and a destructor. */
#include <stdio.h>
#include <stdlib.h>

__attribute__((constructor)) static void start(void)
{
    printf("plugin begins in round %s\n", getenv("ROUND"));
}

__attribute__((destructor)) static void end(void)
{
    printf("plugin ends in round %s\n", getenv("ROUND"));
}

static int zero;
static int seven = 7;

int next(void)
{
    return ++zero * 100 + ++seven;
}

int *address(void)
{
    return &seven;
}
