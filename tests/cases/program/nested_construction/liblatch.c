/* The second of shutter's load. */
#include <stdio.h>

extern int latch0;
int latch_count;

__attribute__((constructor)) static void start(void)
{
    latch_count += latch0;
    printf("latch begins: %d\n", latch_count);
}

__attribute__((destructor)) static void end(void)
{
    printf("latch ends\n");
}
