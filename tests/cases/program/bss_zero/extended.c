/* The same with the extended-const feature: wasm-ld makes several segments, and leaves the zeros out of the file. */
#include <stddef.h>
#include <stdint.h>

int extended_before = 1;
unsigned char extended_zeros[9000];
_Alignas(4096) unsigned char extended_page[4096];
_Alignas(64) int extended_line = 2;
_Alignas(16) char extended_sixteen[3] = "ab";
int extended_after[5];
static const char *extended_text = "text";

size_t extended_nonzero(void)
{
    size_t count = 0;
    for (size_t i = 0; i < sizeof extended_zeros; i++)
        count += extended_zeros[i] != 0;
    for (size_t i = 0; i < sizeof extended_page; i++)
        count += extended_page[i] != 0;
    for (size_t i = 0; i < sizeof extended_after / sizeof extended_after[0]; i++)
        count += extended_after[i] != 0;
    return count;
}

int extended_initialized(void)
{
    return extended_before == 1 && extended_line == 2 && extended_sixteen[0] == 'a' && extended_sixteen[1] == 'b' && extended_sixteen[2] == 0 &&
        extended_text[3] == 't';
}

size_t extended_misalignment(void)
{
    return (uintptr_t)extended_page % 4096 + (uintptr_t)&extended_line % 64 + (uintptr_t)extended_sixteen % 16;
}
