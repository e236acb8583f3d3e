/* Proves that a library gets its own definitions, and another library those of the library that it needs, where the main module exports
 * the same names as something else. */
/// row: symbols | own data: | A library's data is its own where the main module has a function of that name | glibc; emscripten#16581
/// row: symbols | own functions: | A library's functions, by address, are its own where the main module has functions of other types | glibc; emscripten#16581; gap.function_type_mismatch
/// row: symbols | own functions for data: | A library's functions, by address, are its own where the main module has data of that name | glibc
/// row: symbols | of another library: | A third library gets data and calls functions of the library it needs, past what the main module has under those names | glibc
/// row: symbols | by address: | The address of a function that a third library calls is that of the function it calls | glibc
/// row: dlsym | by handle: | dlsym with a library's handle finds its definition, whatever the main module has | POSIX dlsym
#include <dlfcn.h>
#include <stdio.h>

extern int pydl_read_file, adler32;
double __towrite(double x);
double crc32(double x);
int __stdout_FILE(void);
int Py_NoSiteFlag(void);
int own_data(void);
double own_functions(double x);
int own_functions_for_data(void);

int run_case(void)
{
    printf("own data: %d\n", own_data());
    printf("own functions: %g\n", own_functions(10));
    printf("own functions for data: %d\n", own_functions_for_data());
    printf("of another library: %d %g %d\n", pydl_read_file + adler32, __towrite(1) + crc32(1),
        __stdout_FILE() + Py_NoSiteFlag());
    double (*volatile first)(double) = __towrite, (*volatile second)(double) = crc32;
    printf("by address: %g\n", first(2) + second(2));
    void *liba = dlopen("liba.so", RTLD_NOW);
    printf("by handle: %d %d\n", dlsym(liba, "adler32") == &adler32, dlsym(liba, "pydl_read_file") == &pydl_read_file);
    return 0;
}
