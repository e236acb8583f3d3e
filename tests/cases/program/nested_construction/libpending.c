/* Needs the opener, so it comes after it; but the plugin that the opener opens needs it before. */
#include <stdio.h>

extern int opener_depth;
int pending_count;

__attribute__((constructor)) static void start(void)
{
    pending_count++;
    printf("pending begins, depth %d, count %d\n", opener_depth, pending_count);
}
