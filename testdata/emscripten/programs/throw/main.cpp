// What is thrown by either module, and caught by the other: by value, base, pointer, again, kept for later, and not at all.
#include <csetjmp>
#include <cstdio>
#include <exception>
#include "common.h"

struct Noisy {
    const char *name;
    ~Noisy() { printf("~%s, %d on the way\n", name, std::uncaught_exceptions()); }
};

static int odd(int value) {
    if (value % 2) throw std::logic_error("odd");
    return value;
}

static void again() {
    try {
        Noisy noisy{"inner"};
        throw_error("thrown again");
    } catch (const std::runtime_error &) {
        throw;
    }
}

static std::jmp_buf place;
static void jump(int value) { std::longjmp(place, value); }

int main(int argc, char **) {
    try { throw_int(3); } catch (int value) { printf("int %d\n", value); }
    try { throw 4; } catch (int value) { printf("own int %d\n", value); }
    try { throw_circle(); } catch (const Shape &shape) { printf("a %s by its base\n", shape.name().c_str()); }
    try { throw_pointer(); } catch (int *pointer) { printf("a pointer to %d\n", *pointer); }
    try { throw_pointer(); } catch (const void *pointer) { printf("a pointer to something: %d\n", pointer != nullptr); }
    printf("call: %d %d\n", call(odd, 2), call(odd, 3));
    try { again(); } catch (const std::exception &error) { printf("%s\n", error.what()); }
    std::exception_ptr kept;
    try { throw_error("kept"); } catch (...) { kept = std::current_exception(); }
    for (int i = 0; i < 2; i++) {
        try { std::rethrow_exception(kept); } catch (const std::runtime_error &error) { printf("%s %d\n", error.what(), i); }
    }
    kept = nullptr;
    try {
        try { throw_int(1); } catch (const char *) { printf("never\n"); }
    } catch (...) { printf("anything\n"); }
    for (int i = 0; i < 2000; i++) try { throw_error("many"); } catch (const std::exception &) {}
    if (int value = setjmp(place)) printf("jumped with %d\n", value); else jump(6);
    printf("%d on the way\n", std::uncaught_exceptions());
    fflush(stdout);
    if (argc > 1) throw_error("nobody catches it");
    return 0;
}
