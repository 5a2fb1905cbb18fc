/* It claims the stable ABI of Python 3.9, and Py_LIMITED_API was forgotten. */
#include <Python.h>

static PyObject *empty(PyObject *self, PyObject *unused) { return PyUnicode_New(0, 127); }

static PyMethodDef methods[] = {{"empty", empty, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};

static PyModuleDef definition = {PyModuleDef_HEAD_INIT, "abi3_false", NULL, 0, methods};

PyMODINIT_FUNC PyInit_abi3_false(void) { return PyModuleDef_Init(&definition); }
