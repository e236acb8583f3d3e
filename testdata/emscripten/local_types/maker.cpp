// An extension module that makes C++ objects, and has a function that throws some.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "types.h"

namespace shop {
// Not the class of the same name in the other module.
struct Different {
    virtual const char *first() const { return "maker's first"; }
    int number = 1;
};
} // namespace shop

namespace {

using namespace shop;

Dog dog;
Guide guide;
Puppy puppy;
std::any box(Box<int>{5});
std::function<int(int)> twice((Twice()));
int seven = 7;
std::shared_ptr<int> shared(&seven, Deleter{3});

void throw_it(int what)
{
    switch (what) {
    case 0: throw Refusal("by value", 1);
    case 1: throw Lasting("a derived one", 2);
    case 2: throw Box<std::string>{"a template's"};
    case 3: {
        static Lasting kept("a pointer", 3);
        throw static_cast<Lasting *>(&kept);
    }
    case 4: throw Private();
    case 5: throw Different();
    case 6: throw 42;
    default: throw std::out_of_range("of the library's");
    }
}

// Addresses, which stand for what one library hands to another.
PyObject *address(PyObject *, PyObject *what)
{
    void *all[] = {static_cast<Animal *>(&dog), static_cast<Animal *>(&guide), static_cast<Animal *>(&puppy), &box, &twice, &shared,
                   const_cast<std::type_info *>(&typeid(Refusal)), const_cast<std::type_info *>(&typeid(Private)), &counter(), &text(),
                   reinterpret_cast<void *>(throw_it)};
    return PyLong_FromVoidPtr(all[PyLong_AsLong(what)]);
}

PyObject *different(PyObject *, PyObject *)
{
    Different here;
    const Different *volatile pointer = &here;
    return PyUnicode_FromString(pointer->first());
}

PyMethodDef methods[] = {
    {"address", address, METH_O, nullptr},
    {"different", different, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyModuleDef definition = {PyModuleDef_HEAD_INIT, "maker", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};

} // namespace

PyMODINIT_FUNC PyInit_maker(void)
{
    return PyModule_Create(&definition);
}
