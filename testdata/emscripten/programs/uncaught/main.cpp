// Throws what nothing catches: what pydl says of it is compared with what what() says.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <typeinfo>
struct Own : std::exception {
    int number;
    mutable char text[32];
    explicit Own(int number) : number(number) {}
    const char *what() const noexcept override { snprintf(text, sizeof text, "number %d", number); return text; }
};
struct Corrected : std::runtime_error {
    Corrected() : std::runtime_error("not this") {}
    const char *what() const noexcept override { return "but this"; }
};
struct Named { virtual ~Named() {} int name = 1; };
struct Second : Named, Own { Second() : Own(2) {} };
struct Stuck : std::exception { const char *what() const noexcept override { abort(); } };
struct Virtual : virtual std::exception { const char *what() const noexcept override { return "a virtual base"; } };
struct Diamond : Named, virtual std::runtime_error { Diamond() : std::runtime_error("a virtual base that keeps it") {} };
struct Plain { int value = 3; };
void throw_in_library(int number);
int main(int argc, char **argv) {
    switch (argc > 1 ? atoi(argv[1]) : 0) {
    case 0: throw Own(7);
    case 1: throw Corrected();
    case 2: throw Second();
    case 3: throw Stuck();
    case 4: throw Plain();
    case 5: throw std::bad_alloc();
    case 6: throw std::runtime_error("plainly");
    case 7: throw_in_library(8);
    case 8: throw Virtual();
    case 9: throw Diamond();
    }
    return 0;
}
