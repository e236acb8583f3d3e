/* Registers handlers, with and without an argument, and has one of them register another. */
#include <stdio.h>
#include <stdlib.h>

int __cxa_atexit(void (*function)(void *), void *argument, void *dso);
extern void *__dso_handle;

static const char *where;

static void late(void)
{
    printf("%s: registered by a handler\n", where);
}

static void first(void)
{
    printf("%s: first handler\n", where);
}

static void second(void *argument)
{
    printf("%s: second handler, %s\n", where, (const char *)argument);
    atexit(late);
}

void start_plugin(const char *name)
{
    where = name;
    atexit(first);
    __cxa_atexit(second, "with an argument", &__dso_handle);
}
