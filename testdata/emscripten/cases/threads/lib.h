/* What the two libraries of the case share. */
#pragma once
#include <setjmp.h>
#include <stdexcept>
#include <string>

struct Refused : std::runtime_error {
    using std::runtime_error::runtime_error;
};

extern thread_local int lib_depth;
void lib_throw(int depth);
void lib_jump(jmp_buf target, int value);
