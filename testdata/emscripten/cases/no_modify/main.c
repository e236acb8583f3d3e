/* A main module with data and functions that the library uses, and the reverse. */
#include <stdio.h>

extern int side_number;
int side_adds(int (*function)(int), int number);

int main_doubles(int number)
{
    return 2 * number;
}

int main(void)
{
    printf("side: %d\n", side_adds(main_doubles, 4));
    side_number = 30;
    printf("after a change of its data: %d\n", side_adds(main_doubles, 4));
    return 0;
}
