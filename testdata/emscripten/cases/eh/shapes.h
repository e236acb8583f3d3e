// Types that both libraries use: what is thrown in one has to be recognised in the other.
#pragma once
#include <stdexcept>
#include <string>

struct Shape {
    virtual ~Shape();
    virtual const char *name() const;
    virtual int sides() const = 0;
};
struct Square : Shape {
    const char *name() const override;
    int sides() const override;
};
struct Labelled {
    virtual ~Labelled();
    std::string label = "label";
};
struct Both : Square, virtual Labelled {
    const char *name() const override;
};

struct Trouble : std::runtime_error {
    int code;
    Trouble(const std::string &what, int code);
    ~Trouble() override;
    virtual const char *kind() const;
};
struct DeepTrouble : Trouble {
    DeepTrouble(int code);
    const char *kind() const override;
};

// Counts the objects alive, to see that unwinding destroys what it leaves.
struct Alive {
    static int count;
    Alive() { ++count; }
    ~Alive() { --count; }
};

Shape *make_shape(int which);
void throw_int(int n);
void throw_std(const char *what);
void throw_trouble(int n);
void throw_through(void (*callback)(int), int n);
const char *catch_from(void (*callback)(int), int n);
