/* The called side: takes and returns every kind of value. */
#include "types.h"

int64_t add64(int64_t a, uint32_t b, int16_t c, uint8_t d)
{
    return a + b + c + d;
}

float scale_float(float x, double by)
{
    return (float)(x * by);
}

long double long_double(long double x, int n)
{
    return x / 4 + n;
}

struct one make_one(struct one x, double by)
{
    x.only *= by;
    return x;
}

struct pair swap_signs(struct pair x)
{
    return (struct pair){-x.first, -x.second};
}

struct large reverse(struct large x, int add)
{
    struct large result = {.tail = x.tail};
    for (int i = 0; i < 9; i++)
        result.numbers[i] = x.numbers[8 - i] + add;
    x.numbers[0] = -1; /* a copy: the caller's stays */
    return result;
}

union either toggle(union either x)
{
    x.integer = ~x.integer;
    return x;
}

_Complex double rotate(_Complex double x)
{
    return x * 1.0i;
}

__int128 multiply128(__int128 a, int64_t b)
{
    return a * b / 3;
}

double sum_list(const char *types, va_list list)
{
    double total = 0;
    for (; *types != '\0'; types++)
        switch (*types) {
        case 'i':
            total += va_arg(list, int);
            break;
        case 'l':
            total += (double)va_arg(list, int64_t);
            break;
        case 'd':
            total += va_arg(list, double);
            break;
        case 'L':
            total += (double)va_arg(list, long double);
            break;
        case 's':
            total += *va_arg(list, const char *) - '0';
            break;
        case 'p': {
            struct pair x = va_arg(list, struct pair);
            total += (double)x.first + x.second;
            break;
        }
        case 'o':
            total += va_arg(list, struct one).only;
            break;
        }
    return total;
}

double sum(const char *types, ...)
{
    va_list list;
    va_start(list, types);
    double total = sum_list(types, list);
    va_end(list);
    return total;
}

int many(int a, int b, int c, int d, int e, int f, int g, int h, int64_t i, double j, float k, int l)
{
    return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * (int)i + (int)(10 * j) + (int)(11 * k) + 12 * l;
}

_Bool flip(_Bool x)
{
    return !x;
}
