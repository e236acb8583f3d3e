/* One program for every level of optimisation. */
#include <stdio.h>
extern int shared;
long long wide(long long);
double sum(int count, ...);
int twice(int (*function)(int), int value);
static int square(int value) { return value * value + shared; }
int main(int argc, char **argv) {
    int (*volatile by_address)(int (*)(int), int) = twice;
    shared++;
    printf("%d %lld %g %d %d\n", shared, wide(5), sum(3, 0.5, 1.0, 2.0), by_address(square, 3), argc);
    return argc > 1;
}
