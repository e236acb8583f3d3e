/* Waits in both modules, which JavaScript can only with -sASYNCIFY. */
#include <emscripten.h>
#include <stdio.h>
int wait_in_library(int milliseconds);
int main(void) {
    double before = emscripten_get_now();
    emscripten_sleep(30);
    printf("%d\n", wait_in_library(20));
    printf("%d\n", emscripten_get_now() - before > 45);
    return 0;
}
