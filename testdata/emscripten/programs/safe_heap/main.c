/* Built to check each access to memory, in both modules. */
#include <stdio.h>
#include <stdlib.h>
int get(int *address);
int main(int argc, char **argv) {
    int *value = malloc(sizeof *value);
    *value = 12;
    printf("%d\n", get(value));
    fflush(stdout);
    if (argc > 1) printf("%d\n", get((int *)(long)atoi(argv[1])));
    return 0;
}
