/* Makes memory grow. */
#include <stdlib.h>
#include <string.h>

int plugin_value = 3;

int plugin_grow(size_t size)
{
    char *block = malloc(size);
    if (block == NULL)
        return -1;
    memset(block, plugin_value, size);
    int last = block[size - 1];
    free(block);
    return last;
}
