import sys

from setuptools import Extension, setup

EXTENSIONS = [Extension("falls_back._fast", ["falls_back/_fast.c"])]


def run_setup(with_extension):
    setup(
        name="falls-back",
        version="1.0",
        packages=["falls_back"],
        ext_modules=EXTENSIONS if with_extension else [],
    )


try:
    run_setup(sys.platform != "win32")
except SystemExit:
    print("building without the extension")
    run_setup(False)
