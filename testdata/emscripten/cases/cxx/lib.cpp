// The library: containers, streams and classes for the case.
#include "common.h"
#include <iomanip>
#include <sstream>
#include <stdexcept>
#include <typeinfo>

int Animal::alive = 0;
Animal::~Animal() { --alive; }

std::unique_ptr<Animal> make_animal(const std::string &kind)
{
    if (kind == "puppy")
        return std::make_unique<Puppy>();
    if (kind == "box")
        return std::make_unique<Box<int>>(7);
    throw std::invalid_argument("no animal " + kind);
}
std::shared_ptr<Diamond> make_diamond() { return std::make_shared<Diamond>(); }
bool is_dog(const Animal &animal) { return dynamic_cast<const Dog *>(&animal) != nullptr; }
const std::type_info &type_of_box() { return typeid(Box<int>); }
void count_words(const std::string &text, std::map<std::string, int> &counts)
{
    std::istringstream in(text);
    for (std::string word; in >> word;)
        ++counts[word];
}
std::function<int(int)> make_adder(int by) { return [by](int x) { return x + by; }; }
std::vector<long long> squares(int count)
{
    std::vector<long long> result;
    for (int i = 0; i < count; i++)
        result.push_back((1LL << 33) + i * i);
    return result;
}
std::optional<std::string> find_word(const std::string &text, char first)
{
    std::istringstream in(text);
    for (std::string word; in >> word;)
        if (word[0] == first)
            return word;
    return std::nullopt;
}
std::variant<int, std::string> either(bool number)
{
    if (number)
        return 5;
    return std::string("five");
}
std::ostream &print_to(std::ostream &out, double value) { return out << std::fixed << std::setprecision(2) << value; }
int int_of_any_exception(const std::function<void()> &function) noexcept
{
    try {
        function();
    } catch (int n) {
        return n;
    } catch (const std::string &s) {
        return static_cast<int>(s.size());
    } catch (const Dog &dog) {
        return static_cast<int>(dog.sound().size());
    } catch (const std::length_error &) {
        return -2;
    } catch (const std::exception &) {
        return -1;
    }
    return 0;
}
void throw_box(int value) { throw Box<int>(value); }
long long throw_wide(long long a, int b, double c, long long d)
{
    if (b < 0)
        throw a;
    return a + b + static_cast<long long>(c) + d;
}
