/* Zeros and initialized data, strictly aligned; who includes this defines P(name), with a prefix, and ZEROS, a size. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

int P(before) = 1;
unsigned char P(zeros)[ZEROS];
_Alignas(4096) unsigned char P(page)[4096];
_Alignas(64) int P(line) = 2;
_Alignas(16) char P(sixteen)[3] = "ab";
int P(after)[5];
static const char *P(text) = "text";

static size_t P(count)(const void *data, size_t size)
{
    size_t count = 0;
    for (const unsigned char *byte = data; size > 0; byte++, size--)
        count += *byte != 0;
    return count;
}

size_t P(nonzero)(void)
{
    return P(count)(P(zeros), ZEROS) + P(count)(P(page), 4096) + P(count)(P(after), sizeof P(after));
}

size_t P(initialized)(void)
{
    return P(before) == 1 && P(line) == 2 && P(sixteen)[0] == 'a' && P(sixteen)[1] == 'b' && P(sixteen)[2] == 0 &&
        P(text)[3] == 't';
}

size_t P(misalignment)(void)
{
    return (uintptr_t)P(page) % 4096 + (uintptr_t)&P(line) % 64 + (uintptr_t)P(sixteen) % 16;
}

size_t P(fill)(void)
{
    memset(P(zeros), 0x55, ZEROS);
    return ZEROS;
}
