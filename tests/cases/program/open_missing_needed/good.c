/* Loads, after the failure. */
#include <stdio.h>

static int data[1000] = {7};

__attribute__((constructor)) static void start(void)
{
    printf("good constructor\n");
}

int good_function(int x)
{
    return x + data[0] + data[999];
}
