/* Proves that a failed load leaves everything as it was: libraries, scopes, constructors; and that a retry starts anew. */
/// row: failure | all-symbols: | All undefined symbols of a load are named in one error | POSIX RTLD_NOW | glibc names the first alone; whoever has to repair a build wants all
/// row: failure | needed-gone: | What only a failed load needed is not loaded afterwards | glibc; gap.failed_load_retry
/// row: failure | needed-kept: | What was loaded before a failed load stays, with its data | glibc; gap.failed_load_retry
/// row: failure | not-promoted: | A failed RTLD_GLOBAL load promotes nothing that was loaded before | glibc; gap.failed_load_retry
/// row: failure | no-constructor: | No constructor of a failed load runs, not even of what it needs | glibc; gap.failed_load_retry
/// row: failure | retried: | The load succeeds when what was missing is there | POSIX dlopen; gap.failed_load_retry
/// row: failure | then-constructed: | After a retry every constructor has run once | gap.failed_load_retry
/// row: failure | not-in-default: | Symbols of a failed RTLD_GLOBAL load are not found | glibc; gap.failed_load_retry
/// row: dlclose | closed-too-often: | Closing a handle more often than it was opened is an error | POSIX dlclose
/// row: dlclose | still-needed: | A library that is needed stays when its last own handle is closed | POSIX dlclose
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern int libkept_value;

static const char *started(void)
{
    const char *text = getenv("STARTED");
    return text != NULL ? text : "none";
}

int run_case(void)
{
    libkept_value = 5;
    void *top = dlopen("top.so", RTLD_NOW | RTLD_GLOBAL);
    const char *error = top == NULL ? dlerror() : "";
    printf("all-symbols: refused %d, named %d\n", top == NULL, (strstr(error, "missing_one") != NULL) +
        (strstr(error, "missing_two") != NULL) + (strstr(error, "missing_datum") != NULL));
    printf("needed-gone: %d\n", dlopen("libneeded.so", RTLD_NOW | RTLD_NOLOAD) == NULL);
    printf("needed-kept: %d %d\n", dlopen("libkept.so", RTLD_NOW | RTLD_NOLOAD) != NULL, libkept_value);
    printf("not-promoted: %d\n", dlsym(dlopen(NULL, RTLD_NOW), "libkept_value") == NULL);
    printf("no-constructor: %s\n", started());
    printf("not-in-default: %d\n", dlsym(RTLD_DEFAULT, "needed_function") == NULL);
    dlopen("provider.so", RTLD_NOW | RTLD_GLOBAL);
    top = dlopen("top.so", RTLD_NOW);
    printf("retried: %d\n", top != NULL ? ((int (*)(void))dlsym(top, "top_function"))() : -1);
    printf("then-constructed: %s\n", started());

    void *kept = dlopen("libkept.so", RTLD_NOW);
    int first = dlclose(kept), second = dlclose(kept), third = dlclose(kept);
    printf("closed-too-often: %d %d %d %d\n", first, second, third != 0, dlerror() != NULL);
    printf("still-needed: %d\n", libkept_value);
    return 0;
}
