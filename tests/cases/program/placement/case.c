/* Proves that stack, heap, and the static data of the main program and of libraries lie apart, aligned as declared. */
/// row: memory | deep-recursion: | A recursion that fills half of the stack changes no static data of libraries | tool-conventions; core.stack_placement_pic
/// row: memory | heap-apart: | Blocks of the heap never overlap static data of libraries | tool-conventions; core.stack_placement_pic
/// row: memory | stack-apart: | Static data of libraries does not overlap half a megabyte of the stack | tool-conventions; core.stack_placement_pic
/// row: memory | page-aligned: | Static data aligned to 4096 bytes is, initialized and zeroed alike | tool-conventions MEM_INFO; core.main_module_static_align
/// row: memory | small-alignments: | Static data of alignments from 1 to 64 is aligned, in two libraries | tool-conventions MEM_INFO; core.main_module_static_align
/// row: memory | main-aligned: | Static data of the main program is aligned as its types demand | core.main_module_static_align
/// row: memory | reloaded-bases: | Two libraries of one source lie apart | tool-conventions __memory_base
/// row: memory | stack-from-callback: | A callback from the main program runs on the same stack | core.dlfcn_stacks
/// row: memory | large-frame: | A function with a frame of 64 KiB works, and gives the stack back | core.dlfcn_stacks
/// row: memory | const-data: | Constant tables with pointers are relocated | tool-conventions __wasm_apply_data_relocs
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driver.h"

enum { SIZE = 20000 };

static unsigned char zeros[SIZE], filled[SIZE] = {1};
static char page_zero[10] __attribute__((aligned(4096)));
static char page_filled[10] __attribute__((aligned(4096))) = "page";
int liba_alignments(void);
char *liba_data(void);

static uintptr_t stack_low = UINTPTR_MAX, stack_high;

/* Notes that the stack is here. */
static void note_stack(const volatile void *local, size_t size)
{
    uintptr_t low = (uintptr_t)local, high = low + size;
    stack_low = low < stack_low ? low : stack_low;
    stack_high = high > stack_high ? high : stack_high;
}

static int is_off_stack(const void *data, size_t size)
{
    return (uintptr_t)data >= stack_high || (uintptr_t)data + size <= stack_low;
}

static int intact(void)
{
    int changed = filled[0] != 1;
    for (int i = 0; i < SIZE; i++)
        changed += zeros[i] != 0 || (i > 0 && filled[i] != 0);
    for (int i = 0; i < 1000; i++)
        changed += liba_data()[i] != 3;
    return changed == 0;
}

__attribute__((noinline)) static int deep(int depth)
{
    volatile char frame[1024];
    frame[0] = (char)depth;
    frame[1023] = (char)(depth + 1);
    note_stack(frame, sizeof frame);
    int below = depth > 0 ? deep(depth - 1) : 0;
    return below + (frame[0] == (char)depth && frame[1023] == (char)(depth + 1));
}

__attribute__((noinline)) static int large(int x)
{
    volatile char frame[1 << 16];
    for (int i = 0; i < 1 << 16; i += 256)
        frame[i] = (char)x;
    int sum = 0;
    for (int i = 0; i < 1 << 16; i += 256)
        sum += frame[i];
    return sum;
}

static uintptr_t seen_by_callback;

static int callback(int x)
{
    int local = x;
    seen_by_callback = (uintptr_t)&local;
    return local;
}

static const char *const names[] = {"zero", "one", "two"};
static const struct {
    const char *const *first;
    int (*function)(int);
} constant = {&names[1], callback};

int run_case(void)
{
    memset(liba_data(), 3, 1000);
    printf("deep-recursion: %d %d\n", deep(480), intact());
    int apart = 1;
    char *blocks[64];
    for (int i = 0; i < 64; i++) {
        blocks[i] = malloc(5000);
        memset(blocks[i], 0x7F, 5000);
    }
    apart = intact();
    for (int i = 0; i < 64; i++) {
        int right = 0;
        for (int at = 0; at < 5000; at++)
            right += blocks[i][at] == 0x7F;
        apart = apart && right == 5000;
        free(blocks[i]);
    }
    printf("heap-apart: %d\n", apart);
    int local = 0;
    uintptr_t here = (uintptr_t)&local;
    note_stack(&local, sizeof local);
    printf("stack-apart: %d %d %d %d %d, over half a megabyte %d\n", is_off_stack(zeros, SIZE), is_off_stack(filled, SIZE),
        is_off_stack(page_zero, sizeof page_zero), is_off_stack(page_filled, sizeof page_filled), is_off_stack(liba_data(), 1000),
        stack_high - stack_low > 480 * 1024);
    printf("page-aligned: %d %d %s\n", (int)((uintptr_t)page_zero % 4096), (int)((uintptr_t)page_filled % 4096), page_filled);
    printf("small-alignments: %d\n", liba_alignments());
    printf("main-aligned: %d\n", (int)((uintptr_t)&stdout % sizeof(void *) + (uintptr_t)&environ % sizeof(void *)));
    char *left = dlsym(dlopen("left.so", RTLD_NOW), "twin_data"), *right = dlsym(dlopen("right.so", RTLD_NOW), "twin_data");
    printf("reloaded-bases: %d %s %s\n", left - right >= 100 || right - left >= 100, left, right);
    int result = driver_call(callback, 9);
    uintptr_t distance = here > seen_by_callback ? here - seen_by_callback : seen_by_callback - here;
    printf("stack-from-callback: %d %d\n", result, distance < 100000);
    int first = large(1), second = large(2);
    printf("large-frame: %d %d\n", first, second);
    printf("const-data: %s %s %d\n", constant.first[0], constant.first[1], constant.function(4));
    return 0;
}
