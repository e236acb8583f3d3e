/* Proves that handlers and destructors of libraries run at exit, once, in the reverse order of their registration. */
#include <stdio.h>
#include <stdlib.h>

void liba_register(void);

static int times;

static void first(void)
{
    printf("case's first handler, time %d\n", ++times);
}

static void late(void)
{
    printf("handler that was registered during exit\n");
}

static void second(void)
{
    printf("case's second handler\n");
    atexit(late);
}

__attribute__((constructor)) static void start(void)
{
    printf("case constructor\n");
}

__attribute__((destructor)) static void end(void)
{
    printf("case destructor\n");
}

int run_case(void)
{
    atexit(first);
    liba_register();
    atexit(second);
    printf("run_case ends\n");
    return 0;
}
