/* Calls nothing but Python's own functions, so that it needs no libc; and at first it imports the companion. */
#include <Python.h>

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_bridge", NULL, -1, NULL};

PyMODINIT_FUNC PyInit__bridge(void) {
    PyObject *companion = PyImport_ImportModule("no_such_companion");
    if (companion == NULL) {
        return NULL;
    }
    Py_DECREF(companion);
    return PyModule_Create(&module);
}
