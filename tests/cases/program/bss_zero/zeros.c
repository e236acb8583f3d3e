/* A library with no data but zeros, which are not in its file: the loader has to make them. */
#include <stddef.h>
#include <stdint.h>

unsigned char zeros[1 << 20];
_Alignas(4096) unsigned char zeros_page[4096];

size_t zeros_nonzero(void)
{
    size_t count = 0;
    for (size_t i = 0; i < sizeof zeros; i++)
        count += zeros[i] != 0;
    for (size_t i = 0; i < sizeof zeros_page; i++)
        count += zeros_page[i] != 0;
    return count;
}

size_t zeros_misalignment(void)
{
    return (uintptr_t)zeros_page % 4096;
}

void zeros_fill(void)
{
    for (size_t i = 0; i < sizeof zeros; i++)
        zeros[i] = 0x55;
}
