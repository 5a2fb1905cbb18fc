#include <Python.h>

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "other", NULL, -1, NULL};

PyMODINIT_FUNC
PyInit_other(void)
{
    return PyModule_Create(&module);
}
