/* Proves the order of constructors: needed libraries first, by priority within each, those without one last. */
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
