/* Proves that libraries share one stack: large frames, alloca and recursion across libraries do not overlap or leak. */
/// row: memory | intact frames: | Frames of libraries on the one C stack do not overlap | core.dlfcn_stacks
/// row: memory | stack pointer is back: | The stack pointer is where it was after calls across libraries | tool-conventions __stack_pointer; core.safe_stack_dylink
/// row: memory | aligned locals: | Locals are aligned as declared on the shared stack | core.stack_placement_pic
#include <alloca.h>
#include <stdio.h>
#include <string.h>

int liba_step(int depth, int (*back)(int));
const char *liba_frame(void);

/* 1 if all bytes have the value */
int check(const volatile unsigned char *bytes, int size, int value)
{
    for (int i = 0; i < size; i++)
        if (bytes[i] != value)
            return 0;
    return 1;
}

static int back(int depth)
{
    int size = 16 + depth * 37 % 1000;
    unsigned char *variable = alloca((size_t)size);
    unsigned char fixed[500];
    memset(variable, depth ^ 0x5a, (size_t)size);
    memset(fixed, depth ^ 0xa5, sizeof fixed);
    int below = depth == 0 ? 0 : liba_step(depth - 1, back);
    return below + check(variable, size, (depth ^ 0x5a) & 0xff) + check(fixed, sizeof fixed, (depth ^ 0xa5) & 0xff);
}

__attribute__((noinline)) static int aligned_locals(void)
{
    _Alignas(64) volatile char line[64];
    _Alignas(16) volatile double number = 0.5;
    line[0] = 1;
    return (__UINTPTR_TYPE__)&line[0] % 64 == 0 && (__UINTPTR_TYPE__)&number % 16 == 0;
}

int run_case(void)
{
    unsigned char around[200];
    memset(around, 0x11, sizeof around);
    const char *before = liba_frame();
    printf("intact frames: %d of 151\n", liba_step(100, back));
    printf("stack pointer is back: %d\n", liba_frame() == before);
    printf("a second time: %d\n", liba_step(100, back));
    printf("own frame: %d\n", check(around, sizeof around, 0x11));
    printf("aligned locals: %d\n", aligned_locals());
    return 0;
}
