/* Proves that data has one place for everyone: a library's own variables, and those of the C library in the main program. */
/// row: symbols | at first: | A library reads data of another | core.dylink_global_var; core.dylink_basics; browser.dylink; browser.runtimelink
/// row: symbols | after a change by libb: | A change of shared data by one library is seen by all | core.dylink_global_var
/// row: symbols | dlsym: | dlsym of data gives the address that libraries were linked with | POSIX dlsym; core.dlfcn_data_and_fptr
/// row: c | stdout: | stdout is one stream, which libraries and RTLD_DEFAULT find in the main program | core.dylink_printf
/// row: c | environ: | environ is one variable for all libraries | POSIX environ
/// row: c | environment: | What one library sets with setenv, another reads with getenv | POSIX setenv
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct record {
    char tag;
    long long value;
    char text[12];
};

extern int shared_number, shared_zero, *shared_pointer;
extern const int shared_constant;
extern struct record shared_record;
int liba_read(void);
void libb_change(void), libb_redirect(void);
FILE *liba_stdout(void), *libb_stdout(void);
char ***liba_environ(void), ***libb_environ(void);
const char *liba_getenv(const char *name);

static int find(const char *assignment)
{
    for (char **variable = environ; variable != NULL && *variable != NULL; variable++)
        if (strcmp(*variable, assignment) == 0)
            return 1;
    return 0;
}

int run_case(void)
{
    printf("at first: %d, constant %d\n", liba_read(), shared_constant);
    shared_number = 2;
    printf("after a change by case: %d\n", liba_read());
    libb_change();
    printf("after a change by libb: %d; here %d %d\n", liba_read(), shared_number, shared_zero);
    printf("record: %c %lld %s\n", shared_record.tag, shared_record.value, shared_record.text);
    printf("pointer: to shared_number %d\n", shared_pointer == &shared_number);
    libb_redirect();
    printf("pointer after libb changed it: %d, %d\n", *shared_pointer, liba_read());
    printf("dlsym: %d\n", dlsym(dlopen("liba.so", RTLD_NOW), "shared_record") == (void *)&shared_record);

    printf("stdout: one for all %d, RTLD_DEFAULT %d\n", liba_stdout() == stdout && libb_stdout() == stdout,
        *(FILE **)dlsym(RTLD_DEFAULT, "stdout") == stdout);
    fputs("written to liba's stdout\n", liba_stdout());
    printf("environ: one for all %d\n", liba_environ() == &environ && libb_environ() == &environ);
    setenv("PROGRAM_CASE", "set by case", 1);
    printf("environment: %d, %s, %d\n", find("PROGRAM_CASE=set by case"), liba_getenv("PROGRAM_CASE"),
        strcmp(**libb_environ(), *environ) == 0);
    return 0;
}
