/* Types of functions that case.c calls and plugin.c defines. */
typedef int thirteen(int, int, int, int, int, int, int, int, int, int, int, int, int);
typedef int thirty(int, int, int, int, int, int, int, int, int, int, int, int, int, int, int, int, int, int, int, int, int, int,
    int, int, int, int, int, int, int, int);
typedef int unary(int);
typedef unary *finder2(void);
typedef finder2 *finder(void);
typedef double floating(double);
typedef int variable(int, ...);

struct operations {
    unary *integer;
    floating *floating;
    long long (*wide)(long long);
};
