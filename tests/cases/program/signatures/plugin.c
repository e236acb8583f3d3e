/* Functions of many types. */
#include <stdarg.h>
#include <stdlib.h>

#include "types.h"

int counted;

void count(void)
{
    counted++;
}

int one(int a)
{
    return a;
}

int three(int a, int b, int c)
{
    return a * 100 + b * 10 + c;
}

int five(int a, int b, int c, int d, int e)
{
    return three(a, b, c) * 100 + d * 10 + e;
}

float single(float a)
{
    return a * 2;
}

double both(double a, float b)
{
    return a - b;
}

long long wide(long long a)
{
    return a * 2 + 1;
}

long long mixed(int a, long long b, float c, long long d, double e, int f)
{
    return a + b * (long long)c + d * (long long)e + f;
}

int add_thirteen(int a, int b, int c, int d, int e, int f, int g, int h, int i, int j, int k, int l, int m)
{
    return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i + 10 * j + 11 * k + 12 * l + 13 * m;
}

int add_thirty(int a, int b, int c, int d, int e, int f, int g, int h, int i, int j, int k, int l, int m, int n, int o, int p, int q,
    int r, int s, int t, int u, int v, int w, int x, int y, int z, int A, int B, int C, int D)
{
    return a - b + c - d + e - f + g - h + i - j + k - l + m - n + o - p + q - r + s - t + u - v + w - x + y - z + A - B + C + D;
}

static double half(double x)
{
    return x / 2;
}

static double square(double x)
{
    return x * x;
}

static int triple(int x)
{
    return x * 3;
}

static unary *find_unary(void)
{
    return triple;
}

finder2 *find_finder(void)
{
    return find_unary;
}

void fill(struct operations *operations)
{
    operations->integer = abs;
    operations->wide = wide;
    operations->floating = half;
}

signed char narrow_signed(int a)
{
    return (signed char)a;
}

unsigned char narrow(int a)
{
    return (unsigned char)a;
}

short narrow_sum(short a, unsigned short b)
{
    return (short)(a + b);
}

int widened(signed char a)
{
    return a;
}

int sum(int count, ...)
{
    va_list list;
    va_start(list, count);
    int total = 0;
    for (int i = 0; i < count; i++)
        total += va_arg(list, int);
    va_end(list);
    return total;
}

int call_variable(variable *function)
{
    return function(4, 1, 2, 3, 4);
}

floating *const table[2] = {half, square};
