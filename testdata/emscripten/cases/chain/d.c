/* The library at the bottom of the diamond, which both others need; case.c tells the whole. */
#include <stdio.h>
static int order;
__attribute__((constructor)) static void start(void) { printf("start d\n"); }
int next_order(void) { return ++order; }
int a_function(int n);            /* defined in a, which needs this library: a cycle */
int d_calls_a(int n) { return a_function(n) + 1; }
