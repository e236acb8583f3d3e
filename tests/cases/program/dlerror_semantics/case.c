/* Proves what dlerror says: nothing at first, text after a failure, nothing again once it was read. */
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
