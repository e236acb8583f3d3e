/* A name of a thousand characters, and how constructor.c tells that it ran. */
#include <stdlib.h>

#define X10 xxxxxxxxxx
#define JOIN(a, b, c, d, e, f, g, h, i, j) a##b##c##d##e##f##g##h##i##j
#define TIMES(x) JOIN2(x, x, x, x, x, x, x, x, x, x)
#define JOIN2(a, b, c, d, e, f, g, h, i, j) JOIN(a, b, c, d, e, f, g, h, i, j)
#define X100 TIMES(xxxxxxxxxx)
#define TIMES3(x) JOIN3(x, x, x, x, x, x, x, x, x, x)
#define JOIN3(a, b, c, d, e, f, g, h, i, j) JOIN4(a, b, c, d, e, f, g, h, i, j)
#define JOIN4(a, b, c, d, e, f, g, h, i, j) a##b##c##d##e##f##g##h##i##j
#define NAME TIMES3(X100)
#define TEXT(x) TEXT2(x)
#define TEXT2(x) #x
#define NAME_TEXT TEXT(NAME)

static inline const char *getenv_ran(void)
{
    const char *value = getenv("CONSTRUCTOR");
    return value != NULL ? value : "did not run";
}
