/* Proves what dlerror says: nothing at first, text after a failure, nothing again once it was read. */
/// row: dlerror | at first: | dlerror is NULL when nothing has failed | POSIX dlerror
/// row: dlerror | missing file: | dlopen of a missing file gives NULL, and dlerror the file's name, once | POSIX dlerror; core.dlfcn_missing
/// row: dlerror | missing file by path: | dlopen of a missing path gives NULL, and dlerror the path | POSIX dlopen
/// row: dlerror | neither RTLD_NOW nor RTLD_LAZY: | dlopen without RTLD_NOW and RTLD_LAZY is an error | POSIX dlopen; glibc; other.dlopen_bad_flags
/// row: dlerror | only RTLD_GLOBAL: | dlopen with RTLD_GLOBAL alone is an error | POSIX dlopen; glibc
/// row: dlerror | missing symbol: | dlsym of a missing symbol gives NULL, and dlerror the symbol's name | POSIX dlsym
/// row: dlerror | missing global symbol: | dlsym of a missing symbol with RTLD_DEFAULT gives NULL, and dlerror its name | POSIX dlsym; other.dlsym_rtld_default
/// row: dlsym | hidden symbol: | dlsym does not find hidden symbols | ELF gABI STV_HIDDEN; other.minimal_dynamic
/// row: dlerror | empty symbol: | dlsym of an empty name fails | POSIX dlsym
/// row: dlerror | of two failures the last: | dlerror tells of the last of several failures | POSIX dlerror
/// row: dlerror | present symbol: | dlerror is NULL after a success | POSIX dlerror
/// row: dlopen | own library: | A library opens itself while it runs | POSIX dlopen
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

/* Whether an error is pending, whether it has a text in it, and whether reading clears it. */
static void show(const char *what, int failed, const char *text)
{
    const char *error = dlerror();
    printf("%s: failed %d, error %d, mentions \"%s\" %d, ", what, failed, error != NULL, text,
        error != NULL && strstr(error, text) != NULL);
    printf("second error %d\n", dlerror() != NULL);
}

int case_data = 1;
__attribute__((visibility("hidden"))) int case_hidden = 2;

int run_case(void)
{
    printf("at first: %d\n", dlerror() != NULL);
    void *self = dlopen("case.so", RTLD_NOW);
    printf("after success: %d\n", dlerror() != NULL);

    show("missing file", dlopen("no-such-library.so", RTLD_NOW) == NULL, "no-such-library.so");
    show("missing file by path", dlopen("/no/such/folder/x.so", RTLD_NOW) == NULL, "/no/such/folder/x.so");
    show("neither RTLD_NOW nor RTLD_LAZY", dlopen("case.so", 0) == NULL, "invalid mode for dlopen()");
    show("only RTLD_GLOBAL", dlopen("case.so", RTLD_GLOBAL) == NULL, "invalid mode for dlopen()");
    show("missing symbol", dlsym(self, "no_such_symbol") == NULL, "no_such_symbol");
    show("missing global symbol", dlsym(RTLD_DEFAULT, "no_such_symbol_2") == NULL, "no_such_symbol_2");
    show("hidden symbol", dlsym(self, "case_hidden") == NULL, "case_hidden");
    show("empty symbol", dlsym(self, "") == NULL, "undefined symbol");

    dlsym(self, "first_missing");
    dlsym(self, "second_missing");
    show("of two failures the last", 1, "second_missing");

    show("present symbol", dlsym(self, "case_data") == NULL, "nothing");
    printf("sum of own data: %d\n", case_data + case_hidden);
    show("own library", dlopen("case.so", RTLD_NOW) == NULL, "nothing");
    show("close", dlclose(self) != 0, "nothing");
    return 0;
}
