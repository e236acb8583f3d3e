// An extension module that is given objects of the other one, and catches what that throws.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <exception>
#include <typeindex>
#include <typeinfo>

#include "types.h"

namespace shop {
struct Different {
    virtual const char *first() const { return "taker's first"; }
    virtual const char *second() const { return "taker's second"; }
    int number = 2;
};
} // namespace shop

namespace {

using namespace shop;

// Has the other module throw: its function's address and a number are given.
PyObject *has_thrown(PyObject *what)
{
    auto *thrower = reinterpret_cast<void (*)(int)>(PyLong_AsVoidPtr(PyTuple_GetItem(what, 0)));
    thrower(static_cast<int>(PyLong_AsLong(PyTuple_GetItem(what, 1))));
    return PyUnicode_FromString("nothing");
}

PyObject *by_reference(PyObject *, PyObject *what)
{
    try {
        return has_thrown(what);
    } catch (const Lasting &it) {
        return PyUnicode_FromFormat("Lasting: %s, %s", it.name().c_str(), it.what());
    } catch (const Refusal &it) {
        return PyUnicode_FromFormat("Refusal: %s, %s", it.name().c_str(), it.what());
    } catch (const Box<std::string> &it) {
        return PyUnicode_FromFormat("Box: %s", it.content.c_str());
    } catch (Refusal *it) {
        return PyUnicode_FromFormat("Refusal *: %s, %s", it->name().c_str(), it->what());
    } catch (const Private &) {
        return PyUnicode_FromString("Private");
    } catch (const Different &it) {
        return PyUnicode_FromFormat("Different: %d", it.number);
    } catch (const std::exception &it) {
        return PyUnicode_FromFormat("exception: %s", it.what());
    } catch (...) {
        return PyUnicode_FromString("something else");
    }
}

PyObject *by_value(PyObject *, PyObject *what)
{
    try {
        return has_thrown(what);
    } catch (Refusal it) {
        return PyUnicode_FromFormat("Refusal: %s", it.name().c_str());
    } catch (...) {
        return PyUnicode_FromString("something else");
    }
}

PyObject *by_base(PyObject *, PyObject *what)
{
    try {
        return has_thrown(what);
    } catch (const std::exception &it) {
        return PyUnicode_FromFormat("%s %s", it.what(), dynamic_cast<const Lasting *>(&it) ? "Lasting" : dynamic_cast<const Refusal *>(&it) ? "Refusal" : "else");
    } catch (...) {
        return PyUnicode_FromString("something else");
    }
}

PyObject *by_exception_ptr(PyObject *, PyObject *what)
{
    std::exception_ptr kept;
    try {
        return has_thrown(what);
    } catch (...) {
        kept = std::current_exception();
    }
    try {
        std::rethrow_exception(kept);
    } catch (const Refusal &it) {
        return PyUnicode_FromFormat("Refusal: %s", it.name().c_str());
    } catch (...) {
        return PyUnicode_FromString("something else");
    }
}

template <typename T> T *at(PyObject *address)
{
    return static_cast<T *>(PyLong_AsVoidPtr(address));
}

PyObject *casts(PyObject *, PyObject *address)
{
    Animal *volatile animal = at<Animal>(address);
    Animal *it = animal;
    return PyUnicode_FromFormat("Dog %d, Guide %d, Tagged %d, Puppy %d, typeid %d %d", dynamic_cast<Dog *>(it) != nullptr,
        dynamic_cast<Guide *>(it) != nullptr, dynamic_cast<Tagged *>(it) != nullptr, dynamic_cast<Puppy *>(it) != nullptr,
        typeid(*it) == typeid(Dog), std::type_index(typeid(*it)) == std::type_index(typeid(Puppy)));
}

PyObject *any(PyObject *, PyObject *address)
{
    std::any &it = *at<std::any>(address);
    Box<int> *box = std::any_cast<Box<int>>(&it);
    return PyUnicode_FromFormat("%d, not another %d", box ? box->content : -1, std::any_cast<Box<long>>(&it) == nullptr);
}

PyObject *function(PyObject *, PyObject *address)
{
    auto &it = *at<std::function<int(int)>>(address);
    Twice *target = it.target<Twice>();
    return PyUnicode_FromFormat("%d, target_type %d", target ? (*target)(21) : -1, it.target_type() == typeid(Twice));
}

PyObject *deleter(PyObject *, PyObject *address)
{
    Deleter *it = std::get_deleter<Deleter>(*at<std::shared_ptr<int>>(address));
    return PyLong_FromLong(it ? it->number : -1);
}

PyObject *same_type(PyObject *, PyObject *address)
{
    const std::type_info &it = *at<std::type_info>(address);
    return PyUnicode_FromFormat("Refusal %d, Private %d, hash %d", it == typeid(Refusal), it == typeid(Private),
        it.hash_code() == typeid(Refusal).hash_code());
}

PyObject *statics(PyObject *, PyObject *addresses)
{
    return PyUnicode_FromFormat("counter %d, text %d", at<int>(PyTuple_GetItem(addresses, 0)) == &counter(),
        at<std::string>(PyTuple_GetItem(addresses, 1)) == &text());
}

PyObject *different(PyObject *, PyObject *)
{
    Different here;
    const Different *volatile pointer = &here;
    return PyUnicode_FromFormat("%s, %s", pointer->first(), pointer->second());
}

PyMethodDef methods[] = {
    {"by_reference", by_reference, METH_O, nullptr},
    {"by_value", by_value, METH_O, nullptr},
    {"by_base", by_base, METH_O, nullptr},
    {"by_exception_ptr", by_exception_ptr, METH_O, nullptr},
    {"casts", casts, METH_O, nullptr},
    {"any", any, METH_O, nullptr},
    {"function", function, METH_O, nullptr},
    {"deleter", deleter, METH_O, nullptr},
    {"same_type", same_type, METH_O, nullptr},
    {"statics", statics, METH_O, nullptr},
    {"different", different, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyModuleDef definition = {PyModuleDef_HEAD_INIT, "taker", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};

} // namespace

PyMODINIT_FUNC PyInit_taker(void)
{
    return PyModule_Create(&definition);
}
