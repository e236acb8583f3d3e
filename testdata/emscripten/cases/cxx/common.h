// Classes and templates that both libraries use.
#pragma once
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

struct Animal {
    virtual ~Animal();
    virtual std::string sound() const = 0;
    static int alive;
    Animal() { ++alive; }
};
// No virtual function is defined in one place only: every library that uses the class has its vtable and type information.
struct Dog : Animal {
    std::string sound() const override { return "woof"; }
};
struct Puppy : Dog {
    std::string sound() const override { return "yip"; }
};
template <typename T> struct Box : Animal {
    T content;
    explicit Box(T content) : content(content) {}
    std::string sound() const override { return "box of " + std::to_string(content); }
};
struct LeftBase { virtual ~LeftBase() {} int left = 1; };
struct RightBase { virtual ~RightBase() {} int right = 2; virtual int get() const { return right; } };
struct Diamond : virtual LeftBase, virtual RightBase {
    int get() const override { return left * 10 + right; }
};

std::unique_ptr<Animal> make_animal(const std::string &kind);
std::shared_ptr<Diamond> make_diamond();
bool is_dog(const Animal &animal);
const std::type_info &type_of_box();
void count_words(const std::string &text, std::map<std::string, int> &counts);
std::function<int(int)> make_adder(int by);
std::vector<long long> squares(int count);
std::optional<std::string> find_word(const std::string &text, char first);
std::variant<int, std::string> either(bool number);
std::ostream &print_to(std::ostream &out, double value);
int int_of_any_exception(const std::function<void()> &function) noexcept;
void throw_box(int value);
long long throw_wide(long long a, int b, double c, long long d);
