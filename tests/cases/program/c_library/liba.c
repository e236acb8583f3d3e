/* Goes on with what case.c began. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int liba_numbers[3], liba_exits;

char *liba_next_token(void)
{
    return strtok(NULL, " ");
}

int liba_compare(const void *left, const void *right)
{
    return *(const int *)left - *(const int *)right;
}

int liba_year(const struct tm *time)
{
    return time->tm_year + 1900;
}

void liba_free(char *text)
{
    free(text);
}

int liba_random(unsigned seed)
{
    srand(seed);
    return rand();
}

static void at_exit(void)
{
    printf("liba's handler, %d\n", ++liba_exits);
}

int liba_registered(void)
{
    return atexit(at_exit);
}
