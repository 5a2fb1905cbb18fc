#include <Python.h>

static PyObject *version(PyObject *self, PyObject *args) {
    return PyUnicode_FromString("1.0");
}

static PyMethodDef methods[] = {{"version", version, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "links_libpython", NULL, -1, methods};

PyMODINIT_FUNC PyInit_links_libpython(void) {
    return PyModule_Create(&module);
}
