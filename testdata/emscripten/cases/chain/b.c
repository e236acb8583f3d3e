/* One of the two libraries in the middle of the diamond; case.c tells the whole. */
#include <stdio.h>
int next_order(void);
static int mine;
__attribute__((constructor)) static void start(void) { printf("start b\n"); mine = next_order(); }
int b_order(void) { return mine; }
