/* Proves that a constructor may end the process: handlers run, output is written, and nothing returns from dlopen. */
/// row: failure | handler, dlopen has returned: | A constructor may call exit: handlers run, and dlopen never returns | POSIX exit
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static void *plugin;

static void handler(void)
{
    printf("handler, dlopen has returned: %d\n", plugin != NULL);
}

int run_case(void)
{
    atexit(handler);
    printf("before dlopen\n");
    plugin = dlopen("plugin.so", RTLD_NOW);
    printf("after dlopen\n");
    return 1;
}
