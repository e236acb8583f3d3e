/* Ends the process while it is being loaded. */
#include <stdio.h>
#include <stdlib.h>

__attribute__((constructor)) static void start(void)
{
    printf("plugin constructor exits\n");
    exit(0);
}
