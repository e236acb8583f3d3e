/* The main program of every case: opens the library named by argv[1], calls its run_case(), exits with the result. */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "driver.h"

const char *driver_name(void)
{
    return "driver";
}

void driver_say(const char *text)
{
    printf("driver: %s\n", text);
}

int (*driver_puts(void))(const char *)
{
    return puts;
}

size_t (*driver_strlen(void))(const char *)
{
    return strlen;
}

int driver_errno(void)
{
    return errno;
}

int driver_call(int (*function)(int), int argument)
{
    return function(argument);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: driver LIBRARY\n");
        return 2;
    }
    void *library = dlopen(argv[1], RTLD_NOW);
    if (library == NULL) {
        fprintf(stderr, "driver: %s\n", dlerror());
        return 1;
    }
    int (*run_case)(void) = (int (*)(void))dlsym(library, "run_case");
    if (run_case == NULL) {
        fprintf(stderr, "driver: %s\n", dlerror());
        return 1;
    }
    return run_case();
}
