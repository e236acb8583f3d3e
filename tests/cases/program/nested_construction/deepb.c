/* Opened in the constructor of what was opened in a constructor; needs the third of the chain. */
#include <stdio.h>

extern int deep3;

__attribute__((constructor)) static void start(void)
{
    printf("deepb begins, sees %d\n", deep3);
}
