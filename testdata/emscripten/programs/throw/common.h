#include <stdexcept>
#include <string>
struct Shape {
    virtual ~Shape() {}
    virtual std::string name() const { return "shape"; }
};
struct Circle : Shape {
    std::string name() const override { return "circle"; }
};
void throw_int(int value);
void throw_circle();
void throw_pointer();
void throw_error(const char *text);
int call(int (*function)(int), int value);
