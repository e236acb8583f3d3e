/* Proves which dynamic string tokens count in the names that dlopen is given. The libraries lie in folders that no variable names. */
/// row: search | origin: | $ORIGIN in a name of dlopen is the folder of the library whose code calls | ld.so dynamic string tokens; glibc dlopen
/// row: search | braces: | ${ORIGIN} is the same | ld.so dynamic string tokens
/// row: search | one library: | A library that is opened by $ORIGIN and by its path is one | POSIX dlopen
/// row: search | other folder: | In another library's code $ORIGIN is that one's folder | ld.so dynamic string tokens
/// row: search | longer names: | $ORIGINAL, $ORIGIN_ and an unclosed brace are no tokens | glibc
/// row: search | in the middle: | A token need not begin a name | glibc
/// row: search | without a slash: | Tokens do not count in names without a slash | glibc
/// row: search | error names: | An error names what was asked for | glibc
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static int opens(const char *name)
{
    return dlopen(name, RTLD_NOW) != NULL;
}

int run_case(void)
{
    void *opener = dlopen("$ORIGIN/parts/opener.so", RTLD_NOW);
    printf("origin: %d\n", opener != NULL);
    if (opener == NULL)
        return 1;
    printf("braces: %d\n", dlopen("${ORIGIN}/parts/opener.so", RTLD_NOW) == opener);
    char path[600];
    Dl_info info;
    dladdr(dlsym(opener, "opener_value"), &info);
    printf("one library: %d\n", dlopen(info.dli_fname, RTLD_NOW) == opener);
    printf("other folder: %d\n", *(int *)dlsym(opener, "opener_value"));
    printf("longer names: %d %d %d %d\n", opens("$ORIGINAL/parts/opener.so"), opens("$ORIGIN_/parts/opener.so"),
        opens("$ORIGIN1/parts/opener.so"), opens("${ORIGIN/parts/opener.so"));
    snprintf(path, sizeof path, "/%s", "$ORIGIN/parts/opener.so");
    printf("in the middle: %d\n", dlopen(path, RTLD_NOW) == opener);
    printf("without a slash: %d %d\n", opens("$ORIGIN"), opens("${LIB}case.so"));
    dlopen("$ORIGIN/parts/none.so", RTLD_NOW);
    const char *error = dlerror();
    printf("error names: %d %d\n", strstr(error, "/parts/none.so") != NULL, strstr(error, "$ORIGIN") != NULL);
    return 0;
}
