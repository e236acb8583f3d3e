/* Needed by both plugins: one instance, whoever comes first. */
#include <stdio.h>

int common_value = 1;

__attribute__((constructor)) static void start(void)
{
    printf("libcommon constructor\n");
}

int common_add(int x)
{
    return common_value += x;
}
