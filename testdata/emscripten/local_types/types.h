// What both extension modules compile for themselves; neither knows of the other.
#pragma once
#include <any>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

namespace shop {

struct Refusal : std::runtime_error {
    Refusal(const std::string &why, int number) : std::runtime_error(why), number(number) {}
    virtual std::string name() const { return "Refusal " + std::to_string(number); }
    int number;
};

struct Lasting : Refusal {
    using Refusal::Refusal;
    std::string name() const override { return "Lasting " + std::to_string(number); }
};

template <typename T> struct Box {
    T content;
};

struct Animal {
    virtual ~Animal() {}
};
struct Dog : Animal {};
struct Tagged {
    virtual ~Tagged() {}
};
struct Guide : Dog, virtual Tagged {};
struct Puppy final : Dog {};

struct Deleter {
    int number;
    void operator()(int *) const {}
};
struct Twice {
    int operator()(int x) const { return 2 * x; }
};

inline int &counter()
{
    static int count = 100;
    return count;
}

inline std::string &text()
{
    static std::string object("made once, and too long to be kept in place");
    return object;
}

} // namespace shop

namespace {
struct Private {};
} // namespace
