/* Proves that a library whose needed library is missing is refused without a trace, and that others load afterwards. */
/// row: failure | broken.so: refused, | A library whose needed library is missing is refused, with the missing one's name | POSIX dlopen; core.dlfcn_missing
/// row: failure | nothing of it is there: | A load that failed defines nothing | glibc; gap.failed_load_retry
/// row: failure | not loaded: | RTLD_NOLOAD finds nothing of a load that failed | glibc; gap.failed_load_retry
/// row: failure | good.so: | Another library loads after one that failed | gap.failed_load_retry
/// row: failure | libpresent constructor | What a failed load would have needed is constructed later, when it is loaded by itself | gap.failed_load_retry
/// row: failure | broken.so again: | A library that failed is refused again, not found as loaded | gap.failed_load_retry
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

int run_case(void)
{
    void *broken = dlopen("broken.so", RTLD_NOW | RTLD_GLOBAL);
    const char *error = dlerror();
    printf("broken.so: %s, error names libgone.so: %d\n", broken == NULL ? "refused" : "opened",
        error != NULL && strstr(error, "libgone.so") != NULL);
    printf("nothing of it is there: %d %d\n", dlsym(RTLD_DEFAULT, "broken_function") == NULL,
        dlsym(RTLD_DEFAULT, "present_value") == NULL);
    printf("not loaded: %d %d\n", dlopen("broken.so", RTLD_NOW | RTLD_NOLOAD) == NULL,
        dlopen("libpresent.so", RTLD_NOW | RTLD_NOLOAD) == NULL);

    void *good = dlopen("good.so", RTLD_NOW);
    if (good == NULL) {
        printf("%s\n", dlerror());
        return 1;
    }
    int (*good_function)(int) = (int (*)(int))dlsym(good, "good_function");
    printf("good.so: %d\n", good_function(1));
    void *present = dlopen("libpresent.so", RTLD_NOW);
    printf("libpresent.so by itself: %d\n", present != NULL ? *(int *)dlsym(present, "present_value") : -1);
    broken = dlopen("broken.so", RTLD_NOW);
    printf("broken.so again: %s\n", broken == NULL ? "refused" : "opened");
    return 0;
}
