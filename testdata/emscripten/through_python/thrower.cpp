// An extension module that throws C++ exceptions into the interpreter that calls it.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "shared.h"

namespace {

PyObject *inner(PyObject *, PyObject *text)
{
    throw std::runtime_error(PyUnicode_AsUTF8AndSize(text, nullptr));
}

PyObject *refuse(PyObject *, PyObject *number)
{
    throw Refusal("refused", static_cast<int>(PyLong_AsLong(number)));
}

PyObject *last(PyObject *, PyObject *number)
{
    throw Lasting("refused for good", static_cast<int>(PyLong_AsLong(number)));
}

PyObject *throw_int(PyObject *, PyObject *number)
{
    throw static_cast<int>(PyLong_AsLong(number));
}

PyMethodDef methods[] = {
    {"inner", inner, METH_O, nullptr},
    {"refuse", refuse, METH_O, nullptr},
    {"last", last, METH_O, nullptr},
    {"throw_int", throw_int, METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyModuleDef definition = {PyModuleDef_HEAD_INIT, "thrower", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};

}

PyMODINIT_FUNC PyInit_thrower(void)
{
    return PyModule_Create(&definition);
}
