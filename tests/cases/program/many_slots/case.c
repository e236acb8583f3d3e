/* Proves that a library may have hundreds of functions in a table: each in its own slot, and one address each. */
/// row: memory | 300 functions: | A library has hundreds of functions in static tables: each in its slot, with one address | core.dylink_many_postsets
#include <dlfcn.h>
#include <stdio.h>

/* TEN(m, 12) is m(120) m(121) ... m(129) */
#define TEN(m, n) m(n##0) m(n##1) m(n##2) m(n##3) m(n##4) m(n##5) m(n##6) m(n##7) m(n##8) m(n##9)
#define HUNDRED(m, n) \
    TEN(m, n##0) TEN(m, n##1) TEN(m, n##2) TEN(m, n##3) TEN(m, n##4) TEN(m, n##5) TEN(m, n##6) TEN(m, n##7) TEN(m, n##8) TEN(m, n##9)
#define ALL(m) HUNDRED(m, 1) HUNDRED(m, 2) HUNDRED(m, 3)

/* 300 that are exported, function100 to function399, and 300 that are not */
#define DEFINE(n) \
    int function##n(int x) { return x + n; } \
    static int static##n(int x) { return x - n; }
ALL(DEFINE)

#define EXPORTED(n) function##n,
#define STATIC(n) static##n,
static int (*const exported[])(int) = {ALL(EXPORTED)};
static int (*const unexported[])(int) = {ALL(STATIC)};

int run_case(void)
{
    int count = sizeof exported / sizeof exported[0], right = 0, found = 0, different = 0;
    void *self = dlopen("case.so", RTLD_NOW);
    for (int i = 0; i < count; i++) {
        char name[20];
        snprintf(name, sizeof name, "function%d", 100 + i);
        right += exported[i](1000) == 1100 + i && unexported[i](1000) == 900 - i;
        found += dlsym(self, name) == (void *)exported[i];
        for (int j = 0; j < count; j++)
            different += (i == j || exported[i] != exported[j]) && (void *)exported[i] != (void *)unexported[j];
    }
    printf("%d functions: %d right, %d found by dlsym, %d pairs different\n", count, right, found, different);
    return 0;
}
