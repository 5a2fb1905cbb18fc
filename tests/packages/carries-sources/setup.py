import sys

from setuptools import Extension, setup

EXTENSIONS = []
if sys.platform.startswith("darwin"):
    EXTENSIONS.append(Extension("carries_sources._events", ["src/events.c"]))

setup(ext_modules=EXTENSIONS)
