/* A needed library with handlers of its own. */
#include <stdio.h>
#include <stdlib.h>

static void handler(void)
{
    printf("liba's handler\n");
}

__attribute__((constructor)) static void start(void)
{
    printf("liba constructor\n");
}

__attribute__((destructor)) static void end(void)
{
    printf("liba destructor\n");
}

void liba_register(void)
{
    atexit(handler);
}
