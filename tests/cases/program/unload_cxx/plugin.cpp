// Has objects with destructors: of the file, of a function, and an array.
#include <stdio.h>

namespace {
struct Loud {
    explicit Loud(const char *name) : name(name) { printf("%s begins\n", name); }
    ~Loud() { printf("%s ends\n", name); }
    const char *name;
};

Loud first("first");
Loud second("second");

Loud &local()
{
    static Loud object("local");
    return object;
}

struct Counted {
    Counted() : number(++count) {}
    ~Counted() { printf("element %d ends\n", number); }
    int number;
    static int count;
};
int Counted::count;
Counted several[2];
} // namespace

extern "C" void use_local()
{
    printf("%s is used\n", local().name);
}
