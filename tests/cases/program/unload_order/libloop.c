/* The other half. */
#include <stdio.h>

__attribute__((destructor)) static void end(void)
{
    printf("ring or loop ends\n");
}
