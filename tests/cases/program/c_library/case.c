/* Proves that the C library of the main program serves libraries: its functions, its state, its callbacks. */
/// row: c | strtok: | State of the C library is one: a library goes on with what another began | core.dylink_stdlib
/// row: c | conversions: | strtol and strtod convert in a library, and set its errno | core.dylink_stdlib; C11 7.22.1
/// row: c | bsearch: | bsearch calls a comparison of another library | core.dylink_stdlib
/// row: c | time: | gmtime's result is read by another library | C11 7.27.3
/// row: c | wide-text: | Wide characters are converted in a library | C11 7.24
/// row: c | strings: | Strings of strdup are freed by another library | POSIX strdup; core.dylink_stdlib
/// row: c | formats: | snprintf formats every kind of argument in a library | core.dylink_printf
/// row: c | scanned: | sscanf stores through pointers to another library's data | core.dylink_stdlib
/// row: c | random: | srand in one library makes rand in another repeat | C11 7.22.2
/// row: c | exit-order: | Handlers of two libraries run in the reverse order of registration, whoever registered them | POSIX atexit; other.dlopen_blocking
/// row: c | second handler | A handler of a library sees the other's data at exit | POSIX atexit
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

char *liba_next_token(void);
int liba_compare(const void *, const void *);
int liba_year(const struct tm *);
void liba_free(char *);
extern int liba_numbers[3];
int liba_random(unsigned), liba_registered(void);
extern int liba_exits;

static void at_exit(void)
{
    printf("second handler sees %d\n", ++liba_exits);
}

static void last_registered(void)
{
    printf("exit-order: last registered first, %d\n", ++liba_exits);
}

int run_case(void)
{
    char text[] = "one two three";
    char *first = strtok(text, " ");
    char *next = liba_next_token();
    char *third = strtok(NULL, " ");
    printf("strtok: %s %s %s\n", first, next, third);
    errno = 0;
    long largest = strtol("99999999999999999999", NULL, 10);
    printf("conversions: %d %d %.3f %ld\n", largest == LONG_MAX, errno == ERANGE, strtod("-1.25e2", NULL), strtol("0x1f", NULL, 16));
    int numbers[] = {1, 3, 5, 7, 9}, key = 7;
    printf("bsearch: %d\n", (int)((int *)bsearch(&key, numbers, 5, sizeof key, liba_compare) - numbers));
    time_t when = 1000000000;
    printf("time: %d\n", liba_year(gmtime(&when)));
    wchar_t wide[20];
    int converted = (int)mbstowcs(wide, "text", 20);
    printf("wide-text: %d %d\n", converted, (int)wcslen(wide));
    char *copy = strdup("copied");
    int is_right = strcmp(copy, "copied") == 0;
    liba_free(copy);
    int used_again = 0;
    for (int i = 0; i < 1000; i++) {
        /* What is not free is not given out again. */
        char *other = strdup("copied");
        used_again += other == copy;
        liba_free(other);
    }
    printf("strings: copied %d, freed and used again %d times\n", is_right, used_again);
    char line[200];
    snprintf(line, sizeof line, "%d %u %x %o %c %s %lld %.2f %e %g %5d|%-5d|%05d %%", -1, 2U, 255, 8, 'c', "s", 1LL << 40, 1.005, 12345.678,
        0.0001, 42, 42, 42);
    printf("formats: %s\n", line);
    int count = sscanf("10 20 30", "%d %d %d", &liba_numbers[0], &liba_numbers[1], &liba_numbers[2]);
    printf("scanned: %d %d\n", count, liba_numbers[0] + liba_numbers[1] + liba_numbers[2]);
    srand(7);
    int random = rand();
    printf("random: %d\n", random == liba_random(7));
    atexit(at_exit);
    int registered = liba_registered();
    atexit(last_registered);
    return registered;
}
