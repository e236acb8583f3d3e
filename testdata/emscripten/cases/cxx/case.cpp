// The C++ library across two shared libraries: streams, containers, smart pointers, run-time type information, exceptions.
/// row: c++ | cout: | Libraries write to std::cout of the main module, in order with printf | core.dylink_iostream
/// row: c++ | formatted: | A library formats into a stream of another | core.dylink_iostream
/// row: c++ | words: | A library fills a std::map of another | core.dylink_stdlib; other.dylink_exceptions_and_assertions
/// row: c++ | squares: | A std::vector of 64-bit integers returns by value across libraries | other.dylink_exceptions_and_assertions
/// row: c++ | function: | A std::function that a library made is called, with what it holds | C++ [func.wrap]
/// row: c++ | optional: | std::optional and std::variant return by value across libraries | C++ [optional]
/// row: c++ | animals: | A std::unique_ptr of a library is called and destroyed by another | core.dylink_class
/// row: c++ | inline classes: | dynamic_cast tells classes whose type information both libraries have | Itanium C++ ABI; core.dylink_rtti; core.dylink_dynamic_cast
/// row: c++ | template classes: | typeid of a template's instance is one for both libraries | Itanium C++ ABI; core.dylink_rtti
/// row: c++ | virtual bases: | Objects with virtual bases are used across libraries | core.dylink_dynamic_cast
/// row: c++ | shared_ptr: | A std::shared_ptr is counted across libraries, and cast dynamically | C++ [util.smartptr]
/// row: c++ | caught int | A library catches an int that a callback of another throws | core.dylink_exceptions_try_catch
/// row: c++ | caught string | A library catches a std::string of another | core.dylink_exceptions_try_catch_2
/// row: c++ | caught dog | A library catches by base a class that both define inline | core.dylink_exceptions_try_catch_6
/// row: c++ | caught in order | The first of several handlers that fits takes the exception | core.dylink_exceptions_try_catch_6
/// row: c++ | caught box: | A template's instance that a library throws is caught by another | core.dylink_exceptions_try_catch_2
/// row: c++ | wide: | A function of 64-bit parameters throws a 64-bit integer | core.dylink_i64_invoke
/// row: c++ | raii: | Objects of another library are destroyed when an exception passes | core.dylink_raii_exceptions
/// row: c++ | member pointers: | Pointers to member functions, virtual ones too, work across libraries | Itanium C++ ABI
/// row: c++ | locale: | The classic locale is one for all libraries | C++ [locale.statics]
#include "common.h"
#include <cstdio>
#include <locale>
#include <sstream>
#include <stdexcept>
#include <typeinfo>

extern "C" int run_case(void)
{
    std::printf("printf first\n");
    std::fflush(stdout);
    std::cout << "cout: " << std::hex << 255 << std::dec << ' ' << true << ' ' << 1.5 << ' ' << std::string("text") << std::endl;
    std::ostringstream out;
    print_to(out, 3.14159) << '|' << -1;
    std::cout << "formatted: " << out.str() << std::endl;

    std::map<std::string, int> counts;
    count_words("to be or not to be", counts);
    std::cout << "words:";
    for (const auto &[word, count] : counts)
        std::cout << ' ' << word << ' ' << count;
    std::cout << std::endl;
    long long sum = 0;
    for (long long square : squares(4))
        sum += square;
    std::cout << "squares: " << sum << std::endl;
    auto adder = make_adder(40);
    std::cout << "function: " << adder(2) << std::endl;
    std::cout << "optional: " << find_word("to be", 'b').value_or("none") << ' ' << find_word("to be", 'x').value_or("none") << ' '
              << std::get<int>(either(true)) << ' ' << std::get<std::string>(either(false)) << std::endl;

    {
        auto puppy = make_animal("puppy"), box = make_animal("box");
        std::cout << "animals: " << puppy->sound() << ", " << box->sound() << ", alive " << Animal::alive << std::endl;
        Puppy own;
        Box<int> own_box(1);
        std::cout << "inline classes: " << is_dog(own) << is_dog(own_box) << ' ' << (dynamic_cast<Puppy *>(puppy.get()) != nullptr)
                  << (dynamic_cast<Puppy *>(box.get()) != nullptr) << std::endl;
        const Animal &boxed = *box;
        std::cout << "template classes: " << (typeid(boxed) == typeid(Box<int>)) << (typeid(boxed) == type_of_box())
                  << (typeid(own_box) == type_of_box()) << (typeid(Box<long>) == type_of_box()) << std::endl;
    }
    auto diamond = make_diamond();
    RightBase *right = diamond.get();
    LeftBase *left = dynamic_cast<LeftBase *>(right);
    std::cout << "virtual bases: " << right->get() << ' ' << left->left << ' ' << (dynamic_cast<Diamond *>(left) == diamond.get()) << std::endl;
    std::shared_ptr<RightBase> shared = diamond;
    std::cout << "shared_ptr: " << diamond.use_count() << ' ' << (std::dynamic_pointer_cast<Diamond>(shared) == diamond) << std::endl;

    std::cout << "caught int " << int_of_any_exception([] { throw 12; }) << std::endl;
    std::cout << "caught string " << int_of_any_exception([] { throw std::string("seven77"); }) << std::endl;
    std::cout << "caught dog " << int_of_any_exception([] { throw Puppy(); }) << std::endl;
    std::cout << "caught in order " << int_of_any_exception([] { throw std::length_error("long"); })
              << int_of_any_exception([] { throw std::runtime_error("run"); }) << int_of_any_exception([] { make_animal("cat"); }) << std::endl;
    try {
        throw_box(9);
    } catch (const Box<int> &box) {
        std::cout << "caught box: " << box.sound() << std::endl;
    }
    try {
        std::cout << "wide: " << throw_wide(1LL << 40, 2, 3.5, 4);
        throw_wide(-5000000000LL, -1, 0, 0);
    } catch (long long n) {
        std::cout << ' ' << n << std::endl;
    }
    try {
        auto puppy = make_animal("puppy");
        make_animal("dragon");
    } catch (const std::logic_error &error) {
        std::cout << "raii: " << error.what() << ", alive " << Animal::alive << std::endl;
    }
    std::string (Animal::*member)() const = &Animal::sound;
    int (RightBase::*get)() const = &RightBase::get;
    std::cout << "member pointers: " << (make_animal("puppy").get()->*member)() << ' ' << (right->*get)() << std::endl;
    std::cout << "locale: " << (std::cout.getloc() == std::locale::classic()) << std::endl;
    return Animal::alive;
}
