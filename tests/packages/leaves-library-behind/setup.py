"""Link a library that only the build's own folder has, and that is not packed."""

import os
import subprocess
import tempfile

from setuptools import Extension, setup

folder = tempfile.mkdtemp()
library = os.path.join(folder, "libleft.so.1")
with open(os.path.join(folder, "left.c"), "w") as source:
    source.write("int left(void) { return 42; }\n")
command = ["gcc", "-shared", "-fPIC", "-Wl,-soname,libleft.so.1", os.path.join(folder, "left.c"), "-o", library]
subprocess.run(command, check=True)
extension = Extension("leaves_library_behind", ["leaves_library_behind.c"], extra_objects=[library])
setup(name="leaves-library-behind", version="1.0", py_modules=[], ext_modules=[extension])
