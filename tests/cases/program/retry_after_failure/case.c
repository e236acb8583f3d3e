/* Proves that a load that failed fails again in the same way, as often as it is tried. */
/// row: failure | no-such-library.so: | A missing library fails twenty times with one message | gap.failed_load_retry
/// row: failure | broken.so: | A missing needed library fails twenty times with one message | gap.failed_load_retry
/// row: failure | undefined.so: | Undefined symbols fail twenty times with one message, which names them | POSIX RTLD_NOW; core.dylink_syslibs
/// row: failure | nothing is loaded: | Loads that failed leave no library behind | gap.failed_load_retry
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static void try(const char *file, const char *mentioned)
{
    char first[4000] = "", error_text[4000];
    int refused = 0, same = 0;
    for (int i = 0; i < 20; i++) {
        refused += dlopen(file, RTLD_NOW) == NULL;
        const char *error = dlerror();
        snprintf(error_text, sizeof error_text, "%s", error != NULL ? error : "nothing");
        if (i == 0)
            strcpy(first, error_text);
        same += strcmp(first, error_text) == 0;
    }
    printf("%s: refused %d times, the same error %d times, mentions %s: %d\n", file, refused, same, mentioned,
        strstr(first, mentioned) != NULL);
}

int run_case(void)
{
    try("no-such-library.so", "no-such-library.so");
    try("broken.so", "libgone.so");
    try("undefined.so", "nowhere_");
    printf("nothing is loaded: %d\n", dlopen("undefined.so", RTLD_NOW | RTLD_NOLOAD) == NULL);
    return 0;
}
