"""Print a MiB before anything else."""

from setuptools import setup

for number in range(1 << 14):
    print(f"{number:063}")
setup(py_modules=["prints_a_lot"])
