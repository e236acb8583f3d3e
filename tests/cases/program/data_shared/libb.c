/* Changes liba's data and uses the C library's. */
#include <stdio.h>
#include <unistd.h>

struct record {
    char tag;
    long long value;
    char text[12];
};

extern int shared_number, shared_zero, *shared_pointer;
extern struct record shared_record;

static int other = 1000;

void libb_change(void)
{
    shared_number += 10;
    shared_zero = 100;
    shared_record.value *= 3;
    shared_record.text[3] = 'b';
}

void libb_redirect(void)
{
    shared_pointer = &other;
}

FILE *libb_stdout(void)
{
    return stdout;
}

char ***libb_environ(void)
{
    return &environ;
}
