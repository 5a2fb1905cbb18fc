"""A project from before PEP 518."""

from setuptools import setup

setup(name="no-pyproject", version="1.0", py_modules=["no_pyproject"])
