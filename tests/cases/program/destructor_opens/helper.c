/* Opened and closed in a destructor. */
#include <stdio.h>

int helper_value;

__attribute__((constructor)) static void start(void)
{
    printf("helper begins\n");
    helper_value = 8;
}

__attribute__((destructor)) static void end(void)
{
    printf("helper ends\n");
}
