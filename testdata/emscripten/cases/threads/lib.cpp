// Throws and jumps out of frames that count themselves in a thread-local variable.
#include "lib.h"

thread_local int lib_depth = 10;

namespace {
struct Counted {
    Counted() { ++lib_depth; }
    ~Counted() { --lib_depth; }
};
}

void lib_throw(int depth)
{
    Counted counted;
    if (depth == 0)
        throw Refused("refused at depth " + std::to_string(lib_depth));
    lib_throw(depth - 1);
}

void lib_jump(jmp_buf target, int value)
{
    ++lib_depth;
    longjmp(target, value);
}
