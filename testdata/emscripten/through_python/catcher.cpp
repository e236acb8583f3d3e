// An extension module that calls Python and catches what C++ code throws through the interpreter.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <exception>
#include <typeinfo>

#include "shared.h"

namespace {

std::exception_ptr kept;

struct Noted {
    explicit Noted(int &count) : count(count) {}
    ~Noted() { ++count; }
    int &count;
};

int unwound = 0;

PyObject *call(PyObject *callable)
{
    Noted noted(unwound);
    return PyObject_CallNoArgs(callable);
}

// What was caught, by reference to a base; what Python raises is not for C++.
PyObject *outer(PyObject *, PyObject *callable)
{
    try {
        return call(callable);
    } catch (const Refusal &refusal) {
        return PyUnicode_FromFormat("%s: %s, %s", refusal.name().c_str(), refusal.what(),
                                    dynamic_cast<const Lasting *>(&refusal) ? "lasting" : "not lasting");
    } catch (const std::runtime_error &error) {
        return PyUnicode_FromFormat("%s: %s", typeid(error) == typeid(std::runtime_error) ? "runtime_error" : "another", error.what());
    } catch (...) {
        return PyUnicode_FromString("something else");
    }
}

PyObject *keep(PyObject *, PyObject *callable)
{
    try {
        return call(callable);
    } catch (...) {
        kept = std::current_exception();
        return PyBool_FromLong(kept != nullptr);
    }
}

PyObject *rethrow(PyObject *, PyObject *)
{
    std::rethrow_exception(kept);
}

PyObject *own_inner(PyObject *, PyObject *text)
{
    throw std::runtime_error(PyUnicode_AsUTF8AndSize(text, nullptr));
}

PyObject *count_unwound(PyObject *, PyObject *)
{
    return PyLong_FromLong(unwound);
}

PyMethodDef methods[] = {
    {"outer", outer, METH_O, nullptr},
    {"keep", keep, METH_O, nullptr},
    {"rethrow", rethrow, METH_NOARGS, nullptr},
    {"own_inner", own_inner, METH_O, nullptr},
    {"count_unwound", count_unwound, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyModuleDef definition = {PyModuleDef_HEAD_INIT, "catcher", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};

}

PyMODINIT_FUNC PyInit_catcher(void)
{
    return PyModule_Create(&definition);
}
