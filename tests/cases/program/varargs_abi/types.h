/* The types that case.so and liba.so pass to each other. */
#include <stdarg.h>
#include <stdint.h>

struct one {
    double only;
};

struct pair {
    int64_t first;
    float second;
};

struct large {
    int numbers[9];
    char tail;
};

union either {
    int64_t integer;
    double real;
};

int64_t add64(int64_t a, uint32_t b, int16_t c, uint8_t d);
float scale_float(float x, double by);
long double long_double(long double x, int n);
struct one make_one(struct one x, double by);
struct pair swap_signs(struct pair x);
struct large reverse(struct large x, int add);
union either toggle(union either x);
_Complex double rotate(_Complex double x);
__int128 multiply128(__int128 a, int64_t b);
double sum(const char *types, ...);
double sum_list(const char *types, va_list list);
int many(int a, int b, int c, int d, int e, int f, int g, int h, int64_t i, double j, float k, int l);
_Bool flip(_Bool x);
