/* Uses a given depth of the C stack, in frames of 1 KiB. */
#include <string.h>
int deep_in_library(int depth) {
    volatile char frame[1024];
    memset((char *)frame, depth, sizeof frame);
    return depth == 0 ? frame[0] : deep_in_library(depth - 1) + frame[1023] - (char)depth;
}
