/* Functions by name and by address, data, 64 bits, variable arguments. */
#include <stdarg.h>
int shared = 3;
long long wide(long long value) { return value * 1000000007LL; }
double sum(int count, ...) {
    va_list list;
    va_start(list, count);
    double total = 0;
    while (count--) total += va_arg(list, double);
    va_end(list);
    return total;
}
int twice(int (*function)(int), int value) { return function(function(value)); }
