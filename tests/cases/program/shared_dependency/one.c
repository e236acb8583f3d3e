/* A plugin that needs libcommon. */
#include <stdio.h>

int common_add(int x);
extern int common_value;

__attribute__((constructor)) static void start(void)
{
    printf("one constructor, common_value %d\n", common_value);
}

int one_add(int x)
{
    return common_add(x);
}

int *one_pointer(void)
{
    return &common_value;
}
