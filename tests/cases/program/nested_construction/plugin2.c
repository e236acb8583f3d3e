/* Opened and closed in a constructor. */
#include <stdio.h>

extern int latch_count;

__attribute__((constructor)) static void start(void)
{
    printf("plugin2 begins, latch %d\n", latch_count);
}

__attribute__((destructor)) static void end(void)
{
    printf("plugin2 ends\n");
}
