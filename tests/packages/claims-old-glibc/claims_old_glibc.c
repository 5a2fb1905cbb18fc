/* It calls a function whose symbol is of glibc 2.34, and its build says manylinux1. */
#include <Python.h>
#include <pthread.h>

static void *nothing(void *unused) { return unused; }

static PyObject *start(PyObject *self, PyObject *unused)
{
    pthread_t thread;
    return PyLong_FromLong(pthread_create(&thread, NULL, nothing, NULL) || pthread_join(thread, NULL));
}

static PyMethodDef methods[] = {{"start", start, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};

static PyModuleDef definition = {PyModuleDef_HEAD_INIT, "claims_old_glibc", NULL, 0, methods};

PyMODINIT_FUNC PyInit_claims_old_glibc(void) { return PyModuleDef_Init(&definition); }
