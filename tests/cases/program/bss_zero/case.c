/* Proves that a library's .bss is zero, also where memory was used before, and that its data is aligned as declared. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 24, SIZE = 1 << 17 };

static void dirty_the_heap(void)
{
    static unsigned char *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(SIZE);
        memset(blocks[i], 0xAA, SIZE);
    }
    for (int i = 0; i < BLOCKS; i++)
        free(blocks[i]);
}

static size_t call(void *library, const char *name)
{
    size_t (*function)(void) = (size_t (*)(void))dlsym(library, name);
    if (function == NULL) {
        printf("%s\n", dlerror());
        exit(1);
    }
    return function();
}

int run_case(void)
{
    dirty_the_heap();
    unsigned char *proof = malloc(2 * SIZE);
    memset(proof, 0xBB, 2 * SIZE);
    void *zeros = dlopen("zeros.so", RTLD_NOW), *aligned = dlopen("aligned.so", RTLD_NOW);
    void *extended = dlopen("extended.so", RTLD_NOW);
    if (zeros == NULL || aligned == NULL || extended == NULL) {
        printf("%s\n", dlerror());
        return 1;
    }
    printf("zeros.so: %zu bytes are not zero, misalignment %zu\n", call(zeros, "zeros_nonzero"),
        call(zeros, "zeros_misalignment"));
    printf("aligned.so: %zu bytes are not zero, misalignment %zu, initialized %zu\n", call(aligned, "aligned_nonzero"),
        call(aligned, "aligned_misalignment"), call(aligned, "aligned_initialized"));
    printf("extended.so: %zu bytes are not zero, misalignment %zu, initialized %zu\n", call(extended, "extended_nonzero"),
        call(extended, "extended_misalignment"), call(extended, "extended_initialized"));

    ((void (*)(void))dlsym(zeros, "zeros_fill"))();
    size_t changed = 0;
    for (int i = 0; i < 2 * SIZE; i++)
        changed += proof[i] != 0xBB;
    free(proof);
    dirty_the_heap();
    printf("after zeros.so filled its memory: %zu bytes of the heap changed\n", changed);
    printf("after more use of the heap: %d %zu %zu\n", call(zeros, "zeros_nonzero") == 1 << 20,
        call(aligned, "aligned_initialized"), call(extended, "extended_initialized"));
    return 0;
}
