/* Linked with -lwhich, which is in both folders, as a library and, in the first, as an archive, too. */
#include <stdio.h>

const char *which(void);

int run_case(void)
{
    printf("which: %s\n", which());
    return 0;
}
