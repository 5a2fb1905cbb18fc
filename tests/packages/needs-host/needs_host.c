#include <Python.h>
#include <expat.h>

static PyObject *version(PyObject *self, PyObject *args) {
    return PyUnicode_FromString(XML_ExpatVersion());
}

static PyMethodDef methods[] = {{"version", version, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "needs_host", NULL, -1, methods};

PyMODINIT_FUNC PyInit_needs_host(void) {
    return PyModule_Create(&module);
}
