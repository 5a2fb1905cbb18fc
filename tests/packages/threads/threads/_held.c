#include <Python.h>

static PyObject *call(PyObject *self, PyObject *args) {

    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"call", call, METH_NOARGS, NULL}, {NULL}};
static PyModuleDef_Slot slots[] = {
    {0, NULL},
};
static PyModuleDef module = {PyModuleDef_HEAD_INIT, "_held", NULL, 0, methods, slots};

PyMODINIT_FUNC PyInit__held(void) { return PyModuleDef_Init(&module); }
