#include <Python.h>

extern int answer(void);

static PyObject *call_answer(PyObject *self, PyObject *arguments) { return PyLong_FromLong(answer()); }

static PyMethodDef methods[] = {{"answer", call_answer, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "fortran_native", NULL, -1, methods};

PyMODINIT_FUNC PyInit_fortran_native(void) { return PyModule_Create(&module); }
