/* Proves that a load that failed fails again in the same way, as often as it is tried. */
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
