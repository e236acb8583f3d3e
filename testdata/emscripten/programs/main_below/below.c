/* The program, two libraries away. It takes no arguments. */
#include <stdio.h>
extern int top;
int below(int value) { return 2 * value; }
int main(void) {
    printf("top is %d, below(3) is %d\n", top, below(3));
    return 7;
}
