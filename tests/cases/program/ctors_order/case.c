/* Proves the order of constructors: needed libraries first, by priority within each, those without one last. */
/// row: c++ | liba 101, | Data relocations are applied before the first constructor runs | other.dlopen_constructors; ELF gABI
/// row: c++ | liba 200 | Constructors of a library run by priority | tool-conventions; other.ctor_ordering
/// row: c++ | liba without priority either | Constructors without a priority run last, in the order of the file | GCC; other.ctor_ordering
/// row: c++ | case 101, | A needed library's constructors run before those of the library that needs it | ELF gABI; core.dylink_global_init
/// row: c++ | run_case | Constructors have run when dlopen returns | POSIX dlopen; core.dlfcn_basic
#include <stdio.h>

static int data = 1;
static int *relocated = &data;

/* in neither the order of the priorities nor its reverse */
__attribute__((constructor(300))) static void third(void)
{
    printf("case 300\n");
}

__attribute__((constructor)) static void without(void)
{
    printf("case without priority\n");
}

__attribute__((constructor(101))) static void first(void)
{
    printf("case 101, relocated %d\n", *relocated);
}

__attribute__((constructor(200))) static void second(void)
{
    printf("case 200\n");
}

__attribute__((constructor)) static void without_either(void)
{
    printf("case without priority either\n");
}

int run_case(void)
{
    printf("run_case\n");
    return 0;
}
