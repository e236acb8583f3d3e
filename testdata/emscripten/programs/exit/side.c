/* Registers something for the end, too. */
#include <stdio.h>
#include <stdlib.h>
static void side_exit(void) { printf("the library's handler\n"); }
void enter(void) { atexit(side_exit); }
__attribute__((destructor)) static void destructor(void) { printf("the library's destructor\n"); }
