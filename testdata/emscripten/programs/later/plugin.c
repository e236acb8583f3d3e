#include <stdio.h>
int counter = 41;
int count(void) { return ++counter; }
__attribute__((constructor)) static void begin(void) { printf("the library begins\n"); }
