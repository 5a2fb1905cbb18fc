#include <Python.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

static atomic_int callers;

static PyObject *call(PyObject *self, PyObject *args) {
    if (atomic_fetch_add(&callers, 1) > 0) {
        abort(); /* two threads at once, which its author did not expect */
    }
    usleep(1000);
    atomic_fetch_sub(&callers, 1);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"call", call, METH_NOARGS, NULL}, {NULL}};
static PyModuleDef_Slot slots[] = {
#ifdef Py_GIL_DISABLED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};
static PyModuleDef module = {PyModuleDef_HEAD_INIT, "_racing", NULL, 0, methods, slots};

PyMODINIT_FUNC PyInit__racing(void) { return PyModuleDef_Init(&module); }
