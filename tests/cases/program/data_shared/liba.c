/* Defines the data that everyone else changes. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct record {
    char tag;
    long long value;
    char text[12];
};

int shared_number = 1;
int shared_zero;
struct record shared_record = {'a', 5, "liba"};
const int shared_constant = 77;
int *shared_pointer = &shared_number;

int liba_read(void)
{
    return shared_number + shared_zero + *shared_pointer;
}

FILE *liba_stdout(void)
{
    return stdout;
}

char ***liba_environ(void)
{
    return &environ;
}

const char *liba_getenv(const char *name)
{
    return getenv(name);
}
