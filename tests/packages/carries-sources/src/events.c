#include <Python.h>

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_events", NULL, -1, NULL};

PyMODINIT_FUNC
PyInit__events(void)
{
    return PyModule_Create(&module);
}
