import sys

from setuptools import Extension, setup

PYTHON = f"python{sys.version_info[0]}.{sys.version_info[1]}"
setup(py_modules=[], ext_modules=[Extension("links_libpython", ["links_libpython.c"], libraries=[PYTHON])])
