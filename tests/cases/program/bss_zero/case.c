/* Proves that a library's .bss is zero, also where memory was used before, and that its data is aligned as declared. */
/// row: memory | plain.so: | A library's .bss is zero on memory that was used before, at the alignment that it declares | tool-conventions MEM_INFO; core.dlfcn_alignment_and_zeroing
/// row: memory | extended.so: | Offsets of segments may be extended constant expressions | other.extended_const
/// row: memory | bulk.so: | A library compiled with bulk memory instructions initializes its data like any other | core.dlfcn_feature_in_lib
/// row: memory | 0 bytes of the heap changed | A library that fills its .bss overwrites nothing else | tool-conventions MEM_INFO
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 48, SIZE = 1 << 17 };

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

static size_t call(void *library, const char *prefix, const char *name)
{
    char symbol[40];
    snprintf(symbol, sizeof symbol, "%s_%s", prefix, name);
    size_t (*function)(void) = (size_t (*)(void))dlsym(library, symbol);
    if (function == NULL) {
        printf("%s\n", dlerror());
        exit(1);
    }
    return function();
}

int run_case(void)
{
    static const char *const names[] = {"plain", "extended", "bulk"};
    void *libraries[3];
    dirty_the_heap();
    unsigned char *proof = malloc(2 * SIZE);
    memset(proof, 0xBB, 2 * SIZE);
    for (int i = 0; i < 3; i++) {
        char file[40];
        snprintf(file, sizeof file, "%s.so", names[i]);
        libraries[i] = dlopen(file, RTLD_NOW);
        if (libraries[i] == NULL) {
            printf("%s\n", dlerror());
            return 1;
        }
        printf("%s: %zu bytes are not zero, misalignment %zu, initialized %zu\n", file,
            call(libraries[i], names[i], "nonzero"), call(libraries[i], names[i], "misalignment"),
            call(libraries[i], names[i], "initialized"));
    }

    for (int i = 0; i < 3; i++)
        printf("%zu bytes filled\n", call(libraries[i], names[i], "fill"));
    size_t changed = 0;
    for (int i = 0; i < 2 * SIZE; i++)
        changed += proof[i] != 0xBB;
    printf("%zu bytes of the heap changed\n", changed);
    free(proof);
    dirty_the_heap();
    for (int i = 0; i < 3; i++)
        printf("after more use of the heap: %zu bytes are not zero, initialized %zu\n", call(libraries[i], names[i], "nonzero"),
            call(libraries[i], names[i], "initialized"));
    return 0;
}
