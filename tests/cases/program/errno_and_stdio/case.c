/* Proves that library and main program share one C library: its errno, its buffers, its heap. */
/// row: c | fopen: | errno that the C library sets for a library is the main program's | POSIX errno
/// row: c | set here: | errno that a library sets is the main program's | POSIX errno
/// row: c | library 1, no newline yet; driver: | Library and main program write to one buffer of stdout | core.dylink_printf
/// row: c | l3 | Characters of putchar keep their place among those of other functions | core.dylink_stdlib
/// row: c | format | printf in a library formats integers and floating-point numbers | core.dylink_printf
/// row: c | from the heap, grown | Memory of the C library's heap is allocated and grown in a library | core.dylink_stdlib
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"

int run_case(void)
{
    errno = 0;
    FILE *file = fopen("/no/such/file", "r");
    int code = errno;
    printf("fopen: %s, errno ENOENT %d, the driver's the same %d\n", file == NULL ? "null" : "opened", code == ENOENT,
        driver_errno() == code);
    errno = ERANGE;
    printf("set here: the driver sees ERANGE %d\n", driver_errno() == ERANGE);
    printf("strerror: %s\n", strerror(ENOENT));
    errno = 0;
    unsigned long long big = strtoull("99999999999999999999999", NULL, 10);
    printf("strtoull: %d %d\n", big == ~0ULL, errno == ERANGE);

    /* one buffer for all: nothing overtakes */
    printf("library 1, no newline yet; ");
    driver_say("driver 1");
    fputs("library 2\n", stdout);
    driver_say("driver 2");
    putchar('l');
    putchar('3');
    putchar('\n');
    fwrite("library 4\n", 1, 10, stdout);
    driver_say("driver 3");
    fprintf(stdout, "%-8s|%+05d|%x|%.3e\n", "format", 42, 48879, 12345.678);

    char *text = strdup("from the heap");
    text = realloc(text, 100000);
    strcat(text, ", grown");
    printf("%s\n", text);
    free(text);
    int number;
    char word[10];
    printf("sscanf: %d", sscanf("17 words", "%d %9s", &number, word));
    printf(" %d %s\n", number, word);
    return 0;
}
