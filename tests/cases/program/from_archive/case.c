/* Proves that libraries which are linked in unusual ways work: from an archive, twice, with nothing in them. */
/// row: symbols | archive: | Functions and data of a whole archive in a library are found and called | core.dylink_dot_a
/// row: symbols | archive-constructor: | Constructors of an archive's members run | core.dylink_dot_a
/// row: search | named-twice: | A library that is named twice at the link is loaded once | other.redundant_link
/// row: dlopen | nothing-in-it: | A library with nothing in it is opened | ELF gABI
/// row: dlopen | only-data: | A library of data alone is opened, and its data found | ELF gABI
/// row: dlopen | only-zeros: | A library of zeroed data alone is opened | ELF gABI
/// row: dlopen | only-constructor: | A library of a constructor alone is opened, and it runs | ELF gABI
/// row: dlsym | long-name: | A symbol with a name of a thousand characters is found | ELF gABI
/// row: dlsym | prefix: | A prefix of a symbol's name is not found | POSIX dlsym
/// row: dlsym | letters: | A symbol's name in other letters is found, and one in other case is not | POSIX dlsym
#include <dlfcn.h>
#include <stdio.h>

#include "long.h"

int liba_counted(void), liba_first(int), liba_second(int);
extern int liba_members;

int run_case(void)
{
    printf("archive: %d %d\n", liba_first(1), liba_second(1));
    printf("archive-constructor: %d\n", liba_members);
    printf("named-twice: %d\n", liba_counted());
    void *empty = dlopen("empty.so", RTLD_NOW);
    printf("nothing-in-it: %d %d\n", empty != NULL, empty != NULL && dlsym(empty, "anything") == NULL);
    void *data = dlopen("data.so", RTLD_NOW);
    printf("only-data: %s\n", data != NULL ? *(const char **)dlsym(data, "text") : dlerror());
    void *zeros = dlopen("zeros.so", RTLD_NOW);
    int *zero = zeros != NULL ? dlsym(zeros, "zeros") : NULL;
    printf("only-zeros: %d\n", zero != NULL ? zero[999] : -1);
    printf("only-constructor: %d", dlopen("constructor.so", RTLD_NOW) != NULL);
    printf(" %s\n", getenv_ran());
    printf("long-name: %d\n", dlsym(data, NAME_TEXT) != NULL);
    printf("prefix: %d %d\n", dlsym(data, "tex") == NULL, dlsym(data, "texts") == NULL);
    printf("letters: %d %d\n", dlsym(data, "größe") != NULL, dlsym(data, "Text") == NULL);
    return 0;
}
