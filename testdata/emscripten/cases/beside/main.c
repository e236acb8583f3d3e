/* A main module that needs two libraries: it uses their functions, by call and by address, and their data, in its own too. */
#include <stdio.h>
extern int left_data;
extern int right_data[3];
int left(int);
long long right(long long, double);
int *const pointer_to_left = &left_data;
int (*const pointer_to_function)(int) = left;
int of_main(int x) { return x + 1000; }
int main(int argc, char **argv) {
    printf("arguments %d %s\n", argc, argc > 1 ? argv[1] : "none");
    printf("left %d right %lld\n", left(1), right(2, 0.5));
    printf("data %d %d\n", left_data, right_data[2]);
    left_data = 70;
    printf("through a pointer %d, function %d\n", *pointer_to_left, pointer_to_function(1));
    printf("same function %d\n", pointer_to_function == left);
    return 5;
}
