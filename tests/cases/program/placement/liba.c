/* Data of several alignments. */
#include <stdint.h>

static char data[1000];
#define ALIGNED(n) static char aligned##n[n + 1] __attribute__((aligned(n))); static char filled##n[1] __attribute__((aligned(n))) = {n};
ALIGNED(1) ALIGNED(2) ALIGNED(4) ALIGNED(8) ALIGNED(16) ALIGNED(32) ALIGNED(64)

char *liba_data(void)
{
    return data;
}

static int right(const volatile char *address, int alignment)
{
    return (uintptr_t)address % (unsigned)alignment == 0;
}

int liba_alignments(void)
{
#define RIGHT(n) right(aligned##n, n) + right(filled##n, n)
    return RIGHT(1) + RIGHT(2) + RIGHT(4) + RIGHT(8) + RIGHT(16) + RIGHT(32) + RIGHT(64);
}
