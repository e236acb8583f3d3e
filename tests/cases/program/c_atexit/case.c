/* Proves that handlers and destructors of libraries run at exit, once, in the reverse order of their registration. */
/// row: dlclose | handler that was registered during exit | A handler that is registered while exit runs handlers is run, too | POSIX atexit
/// row: dlclose | case's second handler | Handlers that libraries register with atexit run at exit, the last first | POSIX exit; other.dlopen_blocking
/// row: dlclose | case destructor | A library's destructor function runs at exit, after the handlers that it registered | ELF gABI DT_FINI
/// row: dlclose | liba destructor | A needed library's destructor runs after that of the library that needs it | ELF gABI DT_FINI; browser.dlopen_blocking
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
