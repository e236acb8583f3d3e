/* Defines names that a main module exports as something else, and uses its own through the GOT, as code compiled with -fPIC does.
 * Native programs have none of them; the main module for WASI has those of pydl's libdl.c and of musl's inner parts, Pyodide's
 * those of zlib and CPython. */
int pydl_read_file = 42; /* a function */
int adler32 = 43;
double __towrite(double x) /* a function of another type */
{
    return x * 2;
}
double crc32(double x)
{
    return x * 3;
}
int __stdout_FILE(void) /* data */
{
    return 7;
}
int Py_NoSiteFlag(void)
{
    return 8;
}

int own_data(void)
{
    int *volatile first = &pydl_read_file, *volatile second = &adler32;
    return *first + *second;
}

double own_functions(double x)
{
    double (*volatile first)(double) = __towrite, (*volatile second)(double) = crc32;
    return first(x) + second(x);
}

int own_functions_for_data(void)
{
    int (*volatile first)(void) = __stdout_FILE, (*volatile second)(void) = Py_NoSiteFlag;
    return first() + second();
}
