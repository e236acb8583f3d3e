/* Needed by broken.so, and there: must not be initialized before broken.so as a whole can be loaded. */
#include <stdio.h>

int present_value = 4;

__attribute__((constructor)) static void start(void)
{
    printf("libpresent constructor\n");
}
