/* The other half of a recursion with large and variable frames. */
#include <string.h>

int check(const volatile unsigned char *bytes, int size, int value);

int liba_step(int depth, int (*back)(int))
{
    unsigned char large[3000];
    memset(large, depth, sizeof large);
    int below = depth == 0 ? 0 : back(depth - 1);
    return below + check(large, sizeof large, depth & 0xff);
}

/* the address of a local variable, as a number that must not differ from call to call */
__attribute__((noinline)) const char *liba_frame(void)
{
    volatile char local[64];
    local[0] = 1;
    const volatile char *volatile address = local;
    return (const char *)address;
}
