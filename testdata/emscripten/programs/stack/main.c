/* Checks of the C stack, in the main module and in a library, which has limits of its own to be told. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int deep_in_library(int);
static int deep(int depth) {
    volatile char frame[1024];
    memset((char *)frame, depth, sizeof frame);
    return depth == 0 ? frame[0] : deep(depth - 1) + frame[1023] - (char)depth;
}
int main(int argc, char **argv) {
    int depth = argc > 2 ? atoi(argv[2]) : 10;
    int in_library = argc > 1 && strcmp(argv[1], "library") == 0;
    printf("%d in the %s\n", depth, in_library ? "library" : "main module");
    fflush(stdout);
    printf("%d\n", in_library ? deep_in_library(depth) : deep(depth));
    return 0;
}
