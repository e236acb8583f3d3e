#include <stdint.h>
int64_t swap(int64_t halves) { return (int64_t)((uint64_t)halves << 32 | (uint64_t)halves >> 32); }
uint64_t sum(int count, const uint64_t *them) {
    uint64_t all = 0;
    for (int i = 0; i < count; i++) all += them[i];
    return all;
}
int64_t apply(int64_t (*function)(int64_t, double), int64_t to) { return function(to, 7.0); }
int64_t (*swap_of_side(void))(int64_t) { return swap; }
