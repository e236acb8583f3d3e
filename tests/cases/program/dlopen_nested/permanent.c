/* A plugin that is opened with RTLD_NODELETE. */
#include <stdio.h>

int permanent_value = 1;

__attribute__((constructor)) static void start(void)
{
    printf("permanent constructor\n");
}
