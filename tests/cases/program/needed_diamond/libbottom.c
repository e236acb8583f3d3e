/* The bottom of the diamond: notes who is initialized, in order. */
#include <string.h>

char order[100];
int bottom_count;

void note(const char *name)
{
    strcat(order, name);
    strcat(order, " ");
}

__attribute__((constructor)) static void start(void)
{
    bottom_count++;
    note("bottom");
}
