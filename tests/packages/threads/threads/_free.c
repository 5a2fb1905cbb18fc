#include <Python.h>

static PyObject *call(PyObject *self, PyObject *args) {

    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"call", call, METH_NOARGS, NULL}, {NULL}};
static PyModuleDef_Slot slots[] = {
#ifdef Py_GIL_DISABLED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};
static PyModuleDef module = {PyModuleDef_HEAD_INIT, "_free", NULL, 0, methods, slots};

PyMODINIT_FUNC PyInit__free(void) { return PyModuleDef_Init(&module); }
