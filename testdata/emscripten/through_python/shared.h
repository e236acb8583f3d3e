/* What thrower.cpp throws and catcher.cpp catches, beside the standard's exceptions. */
#pragma once
#include <stdexcept>
#include <string>

/* All inline: each module has its own copy of the type's description, of which the loader makes one. */
struct Refusal : std::runtime_error {
    Refusal(const std::string &why, int number) : std::runtime_error(why), number(number) {}
    virtual std::string name() const { return "Refusal " + std::to_string(number); }
    int number;
};

struct Lasting : Refusal {
    using Refusal::Refusal;
    std::string name() const override { return "Lasting " + std::to_string(number); }
};
