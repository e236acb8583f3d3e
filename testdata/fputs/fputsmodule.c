/* The extension module `fputs`: C's fputs() for Python.
 *
 * Owns: the source of every fputs.so of the fixtures. Small on purpose, but it has one of each thing that a loader must get
 * right: functions and data imported from the interpreter (PyExc_* through the GOT), functions of the C library, tables of
 * pointers in its own data (methods, slots, the module definition) that need relocation, and its own bss and strings.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FPUTS_FLAG 64
#define FPUTS_MACRO 256

enum { SHORTEST_STRING = 10 };

typedef struct {
    PyObject *string_too_short_error;
} module_state;

static module_state *state_of(PyObject *module)
{
    return (module_state *)PyModule_GetState(module);
}

/* Writes a C string as the whole content of a file. Returns 0, or -1 with errno set by the step that failed. */
static int write_file(const char *text, const char *path)
{
    FILE *file = fopen(path, "w");
    if (file == NULL)
        return -1;
    if (fputs(text, file) == EOF) {
        int error = errno; /* fclose() may change it */
        fclose(file);
        errno = error;
        return -1;
    }
    return fclose(file) == 0 ? 0 : -1; /* a full disk often shows only here */
}

PyDoc_STRVAR(fputs_doc,
"fputs(string, filename, /)\n--\n\n"
"Make string the content of the file and return the number of bytes written.");

static PyObject *fputs_fputs(PyObject *module, PyObject *args)
{
    PyObject *string, *path;
    if (!PyArg_ParseTuple(args, "UO&:fputs", &string, PyUnicode_FSConverter, &path))
        return NULL;

    PyObject *result = NULL;
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(string, &size);
    if (text == NULL)
        goto done;
    if (strlen(text) != (size_t)size) {
        PyErr_SetString(PyExc_ValueError, "embedded null character");
        goto done;
    }
    if (PyUnicode_GetLength(string) < SHORTEST_STRING) {
        PyErr_Format(state_of(module)->string_too_short_error, "string of %zd characters, at least %d are needed",
                     PyUnicode_GetLength(string), SHORTEST_STRING);
        goto done;
    }
    if (write_file(text, PyBytes_AsString(path)) != 0) {
        PyErr_SetFromErrnoWithFilename(PyExc_OSError, PyBytes_AsString(path));
        goto done;
    }
    /* not what fputs() returned: that is only known to be non-negative, and C libraries differ in it */
    result = PyLong_FromSsize_t(size);

done:
    Py_DECREF(path);
    return result;
}

static PyMethodDef fputs_methods[] = {
    {"fputs", fputs_fputs, METH_VARARGS, fputs_doc},
    {NULL, NULL, 0, NULL},
};

static int fputs_exec(PyObject *module)
{
    module_state *state = state_of(module);
    state->string_too_short_error = PyErr_NewExceptionWithDoc(
        "fputs.StringTooShortError", "The string is too short to be worth a file.", PyExc_Exception, NULL);
    if (state->string_too_short_error == NULL)
        return -1;
    if (PyModule_AddObjectRef(module, "StringTooShortError", state->string_too_short_error) < 0)
        return -1;
    if (PyModule_AddIntConstant(module, "FPUTS_FLAG", FPUTS_FLAG) < 0)
        return -1;
    return PyModule_AddIntMacro(module, FPUTS_MACRO);
}

static int fputs_traverse(PyObject *module, visitproc visit, void *arg)
{
    Py_VISIT(state_of(module)->string_too_short_error);
    return 0;
}

static int fputs_clear(PyObject *module)
{
    Py_CLEAR(state_of(module)->string_too_short_error);
    return 0;
}

static void fputs_free(void *module)
{
    fputs_clear((PyObject *)module);
}

static PyModuleDef_Slot fputs_slots[] = {
    {Py_mod_exec, (void *)fputs_exec},
    {0, NULL},
};

PyDoc_STRVAR(module_doc, "C's fputs() for Python.");

static struct PyModuleDef fputs_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "fputs",
    .m_doc = module_doc,
    .m_size = sizeof(module_state),
    .m_methods = fputs_methods,
    .m_slots = fputs_slots,
    .m_traverse = fputs_traverse,
    .m_clear = fputs_clear,
    .m_free = fputs_free,
};

PyMODINIT_FUNC PyInit_fputs(void)
{
    return PyModuleDef_Init(&fputs_module);
}
