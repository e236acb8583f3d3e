/* One half of a cycle. */
#include <stdio.h>

__attribute__((destructor)) static void end(void)
{
    printf("ring ends\n");
}
