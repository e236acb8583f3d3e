/* A plugin that needs libcommon. */
#include <stdio.h>

int common_add(int x);
extern int common_value;

__attribute__((constructor)) static void start(void)
{
    printf("two constructor, common_value %d\n", common_value);
}

int two_add(int x)
{
    return common_add(x);
}

int *two_pointer(void)
{
    return &common_value;
}
