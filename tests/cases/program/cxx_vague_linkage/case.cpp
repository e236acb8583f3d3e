// Proves that what C++ defines in every library exists once: inline functions and variables, static locals, vtables.
/// row: c++ | liba's static object, | Constructors of static objects of two libraries see one inline counter | core.dylink_global_inits
/// row: c++ | inline variable: | An inline variable that two libraries define is one variable | C++ [dcl.inline]; core.dylink_rtti
/// row: c++ | inline function: | An inline function that two libraries define has one address | C++ [dcl.inline]
/// row: c++ | template's static local: | A static local of a template is one object in all libraries | C++ [basic.def.odr]
/// row: c++ | virtual calls in liba: | One library calls virtual functions of another's classes | core.dylink_class
/// row: c++ | one vtable: | The vtable of a class that two libraries define is one | Itanium C++ ABI
/// row: c++ | case's static object ends, | Destructors of static objects run at exit | C++ [basic.start.term]
#include "shapes.h"

int liba_count();
Function *liba_counter();
int *liba_variable();
long *liba_instance();
const char *liba_describe(const Shape &shape);
int liba_twice(const Shape &shape);
const Shape &liba_square();

namespace {
struct Triangle : Shape {
    const char *name() const override { return "triangle"; }
    int area() const override { return 11; }
};

struct Announced {
    Announced() { printf("case's static object, counter %d\n", ++counter()); }
    ~Announced() { printf("case's static object ends, counter %d\n", counter()); }
} announced;
} // namespace

extern "C" int run_case()
{
    int here = ++counter();
    int there = liba_count();
    printf("counter: %d, then %d in liba, %d here\n", here, there, counter());
    printf("inline variable: %d, one address %d\n", inline_variable, liba_variable() == &inline_variable);
    Function *volatile own = counter;
    printf("inline function: one address %d\n", liba_counter() == own);
    *liba_instance() = 9;
    printf("template's static local: %ld\n", instance<long>());

    Square square;
    Triangle triangle;
    printf("virtual calls in liba: %s %s %d %d\n", liba_describe(square), liba_describe(triangle), liba_twice(square),
        liba_twice(triangle));
    const Shape &of_liba = liba_square();
    printf("virtual calls of liba's object: %s %d\n", of_liba.name(), of_liba.twice());
    printf("one vtable: %d\n", *(void *const *)&square == *(void *const *)&of_liba);
    return 0;
}
