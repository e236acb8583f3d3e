/* Registers handlers, with and without an argument, and has one of them register another. */
#include <stdio.h>
#include <stdlib.h>

int __cxa_atexit(void (*function)(void *), void *argument, void *dso);
extern void *__dso_handle;

static void late(void)
{
    printf("plugin: registered by a handler\n");
}

static void first(void)
{
    printf("plugin: first handler\n");
}

static void second(void *argument)
{
    printf("plugin: second handler, %s\n", (const char *)argument);
    atexit(late);
}

void start_plugin(void)
{
    atexit(first);
    __cxa_atexit(second, "with an argument", &__dso_handle);
}
