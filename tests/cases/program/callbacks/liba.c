/* Takes functions of others, and gives away its own, static ones among them. */
#include <stdlib.h>

typedef int function(int);

static int calls;

static int halve(int x)
{
    calls++;
    return x / 2;
}

int descending(const void *a, const void *b)
{
    calls++;
    return *(const int *)b - *(const int *)a;
}

function *liba_halve(void)
{
    return halve;
}

int liba_calls(void)
{
    return calls;
}

int apply_twice(function *f, int x)
{
    return f(f(x));
}

void sort_with(int *numbers, size_t count, int (*compare)(const void *, const void *))
{
    qsort(numbers, count, sizeof *numbers, compare);
}

/* to liba, to the caller's function, and back into liba */
int bounce(int depth, int (*back)(int, function *))
{
    return depth == 0 ? 0 : 1 + back(depth - 1, halve);
}
