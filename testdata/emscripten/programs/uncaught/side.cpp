#include <exception>
struct Far : std::exception {
    const char *what() const noexcept override { return "from a library"; }
};
void throw_in_library(int) { throw Far(); }
