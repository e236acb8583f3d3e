// The library: implements shapes.h, and throws or catches what its caller asks for.
#include "shapes.h"
#include <cstdio>
#include <exception>
#include <new>

Shape::~Shape() {}
const char *Shape::name() const { return "shape"; }
const char *Square::name() const { return "square"; }
int Square::sides() const { return 4; }
Labelled::~Labelled() {}
const char *Both::name() const { return "both"; }

Trouble::Trouble(const std::string &what, int code) : std::runtime_error(what), code(code) {}
Trouble::~Trouble() {}
const char *Trouble::kind() const { return "trouble"; }
DeepTrouble::DeepTrouble(int code) : Trouble("deep trouble " + std::to_string(code), code) {}
const char *DeepTrouble::kind() const { return "deep trouble"; }

int Alive::count = 0;

Shape *make_shape(int which)
{
    if (which == 0)
        return new Square;
    return new Both;
}

void throw_int(int n)
{
    Alive a, b;
    throw n;
}
void throw_std(const char *what)
{
    Alive a;
    if (what == nullptr)
        throw std::bad_alloc();
    throw std::out_of_range(what);
}
void throw_trouble(int n)
{
    Alive a;
    if (n > 10)
        throw DeepTrouble(n);
    throw Trouble("plain trouble", n);
}
void throw_through(void (*callback)(int), int n)
{
    Alive a, b, c;
    callback(n);
    printf("never printed\n");
}
const char *catch_from(void (*callback)(int), int n)
{
    try {
        Alive a;
        callback(n);
    } catch (const DeepTrouble &) {
        return "library caught DeepTrouble";
    } catch (const std::exception &e) {
        static std::string text;
        text = std::string("library caught std::exception ") + e.what();
        return text.c_str();
    } catch (const Shape *s) {
        return s->name();
    } catch (...) {
        return "library caught something else";
    }
    return "library caught nothing";
}
