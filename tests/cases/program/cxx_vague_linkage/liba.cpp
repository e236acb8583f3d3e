// The second library that compiles the inline definitions of shapes.h.
#include "shapes.h"

namespace {
struct Announced {
    Announced() { printf("liba's static object, counter %d\n", ++counter()); }
} announced;
} // namespace

int liba_count() { return ++counter() + ++inline_variable; }
Function *liba_counter() { return counter; }
int *liba_variable() { return &inline_variable; }
long *liba_instance() { return &instance<long>(); }
const char *liba_describe(const Shape &shape) { return shape.name(); }
int liba_twice(const Shape &shape) { return shape.twice(); }

const Shape &liba_square()
{
    static Square square;
    square.side = 5;
    return square;
}
