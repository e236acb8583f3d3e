/* Proves that function pointers may be called from anywhere: by the C library, by another library, by the main program. */
/// row: c | qsort, own comparison: | The C library calls a comparison function of a library | core.dlfcn_qsort
/// row: c | qsort, liba's comparison: | A library passes another library's function to the C library | core.dlfcn_qsort
/// row: c | sorted by liba with case's comparison: | A library calls a function that its user passes to it | core.dlfcn_qsort
/// row: symbols | apply_twice: | Pointers to own, another library's and the C library's functions are called alike | core.dylink_funcpointer
/// row: symbols | from the driver: | The main program calls a pointer to a library's function | core.dlfcn_data_and_fptr
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "driver.h"

typedef int function(int);
function *liba_halve(void);
int descending(const void *a, const void *b), liba_calls(void), apply_twice(function *f, int x);
void sort_with(int *numbers, size_t count, int (*compare)(const void *, const void *));
int bounce(int depth, int (*back)(int, function *));

static int compared;

static int ascending(const void *a, const void *b)
{
    compared++;
    return *(const int *)a - *(const int *)b;
}

static int triple(int x)
{
    return 3 * x;
}

static int back(int depth, function *f)
{
    return f(100) + bounce(depth, back);
}

static void show(const char *what, const int *numbers, int count)
{
    printf("%s:", what);
    for (int i = 0; i < count; i++)
        printf(" %d", numbers[i]);
    printf("\n");
}

int run_case(void)
{
    int numbers[] = {5, -3, 99, 0, 42, 7};
    qsort(numbers, 6, sizeof numbers[0], ascending);
    show("qsort, own comparison", numbers, 6);
    int key = 42, *found = bsearch(&key, numbers, 6, sizeof key, ascending);
    printf("bsearch: %td, comparisons were made: %d\n", found - numbers, compared > 0);
    qsort(numbers, 6, sizeof numbers[0], descending);
    show("qsort, liba's comparison", numbers, 6);
    printf("it was called: %d\n", liba_calls() > 0);
    sort_with(numbers, 6, ascending);
    show("sorted by liba with case's comparison", numbers, 6);

    printf("apply_twice: case's %d, liba's own %d, the C library's %c\n", apply_twice(triple, 5), apply_twice(liba_halve(), 20),
        apply_twice(toupper, 'q'));
    printf("from the driver: %d %d\n", driver_call(triple, 7), driver_call(liba_halve(), 7));
    printf("bounce: %d\n", bounce(3, back));
    return 0;
}
