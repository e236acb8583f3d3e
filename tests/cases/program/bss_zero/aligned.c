/* Initialized data and zeros between each other, strictly aligned; wasm-ld puts all of them into one segment. */
#include <stddef.h>
#include <stdint.h>

int aligned_before = 1;
unsigned char aligned_zeros[9000];
_Alignas(4096) unsigned char aligned_page[4096];
_Alignas(64) int aligned_line = 2;
_Alignas(16) char aligned_sixteen[3] = "ab";
int aligned_after[5];
static const char *aligned_text = "text";

size_t aligned_nonzero(void)
{
    size_t count = 0;
    for (size_t i = 0; i < sizeof aligned_zeros; i++)
        count += aligned_zeros[i] != 0;
    for (size_t i = 0; i < sizeof aligned_page; i++)
        count += aligned_page[i] != 0;
    for (size_t i = 0; i < sizeof aligned_after / sizeof aligned_after[0]; i++)
        count += aligned_after[i] != 0;
    return count;
}

int aligned_initialized(void)
{
    return aligned_before == 1 && aligned_line == 2 && aligned_sixteen[0] == 'a' && aligned_sixteen[1] == 'b' && aligned_sixteen[2] == 0 &&
        aligned_text[3] == 't';
}

size_t aligned_misalignment(void)
{
    return (uintptr_t)aligned_page % 4096 + (uintptr_t)&aligned_line % 64 + (uintptr_t)aligned_sixteen % 16;
}
