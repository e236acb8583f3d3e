// What both libraries compile for themselves: inline functions and variables, templates, a class with virtual functions.
#include <stdio.h>

inline int inline_variable = 1;

inline int &counter()
{
    static int count = 100; // one for the process
    return count;
}

template <typename T> T &instance()
{
    static T object{};
    return object;
}

struct Shape {
    constexpr Shape() = default;
    virtual const char *name() const { return "shape"; }
    virtual int area() const { return 0; }
    int twice() const { return 2 * area(); }
};

struct Square : Shape {
    int side = 3;
    const char *name() const override { return "square"; }
    int area() const override { return side * side; }
};

using Function = int &();
