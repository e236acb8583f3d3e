// Throws, and catches what the main module throws.
#include "common.h"
static int pointed = 5;
void throw_int(int value) { throw value; }
void throw_circle() { throw Circle(); }
void throw_pointer() { throw &pointed; }
void throw_error(const char *text) { throw std::runtime_error(text); }
int call(int (*function)(int), int value) {
    try {
        return function(value);
    } catch (const std::exception &) {
        return -1;
    }
}
