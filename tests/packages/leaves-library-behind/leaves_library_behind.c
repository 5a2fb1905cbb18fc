#include <Python.h>

int left(void);

static PyObject *answer(PyObject *self, PyObject *unused) { return PyLong_FromLong(left()); }

static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};

static PyModuleDef definition = {PyModuleDef_HEAD_INIT, "leaves_library_behind", NULL, 0, methods};

PyMODINIT_FUNC PyInit_leaves_library_behind(void) { return PyModuleDef_Init(&definition); }
