// What two libraries compile for themselves that know nothing of each other; WHO and START tell them apart.
#include <stdio.h>

struct Made {
    int by;
    Made(int who) : by(who) { printf("made in lib%c\n", who); }
};

inline int &counter()
{
    static int count = 100;
    return count;
}

inline Made &made()
{
    static Made object(WHO); // with a guard
    return object;
}

template <typename T> struct Holder {
    static int number;
};
template <typename T> int Holder<T>::number = 10;
template <typename T> T variable = 20;
inline Made initialized(WHO); // with a guard
inline int constant = 30;

namespace plain {
int number = START; // the same name as in the other library, which is the linker's affair
}

namespace {
template <typename T> struct Private {
    static int number;
};
template <typename T> int Private<T>::number = START;
} // namespace

// Not the same class in both libraries.
struct Shape {
    virtual int sides() const { return START; }
#if WHO == 'b'
    virtual int corners() const { return START + 1; }
#endif
};

using Function = int &();

extern "C" {
int *address_counter() { return &counter(); }
int *address_member() { return &Holder<int>::number; }
int *address_variable() { return &variable<int>; }
int *address_initialized() { return &initialized.by; }
int *address_made() { return &made().by; }
int *address_constant() { return &constant; }
int *address_plain() { return &plain::number; }
int *address_private() { return &Private<int>::number; }
Function *address_function() { return counter; }
int virtual_calls(const Shape *other)
{
    static const Shape shape;
    const Shape *volatile here = other ? other : &shape;
#if WHO == 'b'
    return here->sides() + here->corners();
#else
    return here->sides();
#endif
}
}
