/* Waits, from a library. */
#include <emscripten.h>
int wait_in_library(int milliseconds) {
    emscripten_sleep(milliseconds);
    return milliseconds + 1;
}
