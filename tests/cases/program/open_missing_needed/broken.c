/* Needs a library that is missing. */
#include <stdio.h>

int gone_function(void);
extern int present_value;

__attribute__((constructor)) static void start(void)
{
    printf("broken constructor\n");
}

int broken_function(void)
{
    return gone_function() + present_value;
}
