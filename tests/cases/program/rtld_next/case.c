/* Proves that RTLD_NEXT goes on behind the caller's library, whoever that is, and ends at the C library. */
/// row: dlsym | middle at depth 1 | RTLD_NEXT finds the definition behind the library of the caller, whoever called that | POSIX dlsym; glibc; musl; gap.rtld_next
/// row: dlsym | nothing behind: | RTLD_NEXT does not find the caller's own definition | POSIX dlsym; gap.rtld_next
/// row: dlsym | puts: | RTLD_NEXT ends at the C library, which is in the main module here | glibc; gap.rtld_next
#include <dlfcn.h>
#include <stdio.h>

#include "driver.h"

const char *value(int depth);
int only_front(void);
int finds_puts(int (*)(const char *));

int run_case(void)
{
    printf("%s\n", value(0));
    printf("nothing behind: %d\n", only_front());
    printf("error: %d\n", dlerror() != NULL);
    printf("puts: %d\n", finds_puts(driver_puts()));
    const char *(*next)(int) = (const char *(*)(int))dlsym(RTLD_NEXT, "value");
    printf("next of case is that of front: %d\n", next == value);
    printf("next of case: %d\n", dlsym(RTLD_NEXT, "run_case") == NULL);
    return 0;
}
