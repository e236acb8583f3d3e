/* A needed library with constructors of several priorities. */
#include <stdio.h>

static int data = 1;
static int *relocated = &data;

/* in neither the order of the priorities nor its reverse */
__attribute__((constructor(300))) static void third(void)
{
    printf("liba 300\n");
}

__attribute__((constructor)) static void without(void)
{
    printf("liba without priority\n");
}

__attribute__((constructor(101))) static void first(void)
{
    printf("liba 101, relocated %d\n", *relocated);
}

__attribute__((constructor(200))) static void second(void)
{
    printf("liba 200\n");
}

__attribute__((constructor)) static void without_either(void)
{
    printf("liba without priority either\n");
}
