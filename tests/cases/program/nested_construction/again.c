/* Opened when all is done; needs what was constructed in a nested load. */
#include <stdio.h>

extern int pending_count;

__attribute__((constructor)) static void start(void)
{
    printf("again begins: %d\n", pending_count);
}
