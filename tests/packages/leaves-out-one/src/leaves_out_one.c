#include <Python.h>

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "leaves_out_one", NULL, -1, NULL};

PyMODINIT_FUNC
PyInit_leaves_out_one(void)
{
    return PyModule_Create(&module);
}
