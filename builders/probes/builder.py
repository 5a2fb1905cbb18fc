"""Check the promises of a builder image, from inside it; print JSON.

Run as the image's own user with the tools' Python; it needs nothing else. The checks hold for every suite and Python.
"""

import glob
import json
import os
import shutil
import subprocess
import tempfile

_SOURCE = """
#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "probe"};
PyMODINIT_FUNC PyInit_probe(void) { return PyModule_Create(&module); }
"""
_COMPILE = """
import subprocess, sysconfig
value = sysconfig.get_config_var
flags = [*value("CFLAGS").split(), *value("CCSHARED").split(), "-I" + sysconfig.get_path("include")]
subprocess.run([*value("LDSHARED").split(), *flags, "probe.c", "-o", "probe" + value("EXT_SUFFIX")], check=True)
import probe
print(*flags)
"""
_FORBIDDEN = ("-g", "-march", "-flto", "-specs", "-fprofile")


def check_tools():
    """Compilers and tools exist, and auditwheel finds a patchelf that it accepts."""
    names = (
        "gcc",
        "g++",
        "make",
        "patch",
        "file",
        "pkg-config",
        "tar",
        "xz",
        "auditwheel",
        "patchelf",
        "uv",
        "pyproject-build",
    )
    return [name for name in names if shutil.which(name) is None]


def check_pythons():
    """Each Python compiles an extension module and imports it, without flags for this machine only."""
    problems = [] if glob.glob("/opt/python/*") else ["no Python"]
    for prefix in sorted(glob.glob("/opt/python/*")):
        with tempfile.TemporaryDirectory(dir="/scratch") as folder:
            with open(os.path.join(folder, "probe.c"), "w") as stream:
                stream.write(_SOURCE)
            ended = subprocess.run(
                [f"{prefix}/bin/python", "-c", _COMPILE], cwd=folder, capture_output=True, text=True, check=False
            )
        problems += [f"{prefix}: {ended.stderr[-500:]}"] if ended.returncode else []
        problems += [f"{prefix}: {flag}" for flag in ended.stdout.split() if flag.startswith(_FORBIDDEN)]
    return problems


def check_development_packages():
    """No headers of packages that a recipe must name."""
    names = ("openssl/ssl.h", "ffi.h", "zlib.h", "bzlib.h", "lzma.h", "sqlite3.h")
    return [path for name in names for path in glob.glob(f"/usr/include/**/{name}", recursive=True)]


def check_user():
    """A dedicated user that is not root and cannot write our files."""
    problems = [] if os.getuid() == 1000 else [f"uid {os.getuid()}"]
    return problems + [folder for folder, _, _ in os.walk("/opt") if os.access(folder, os.W_OK)]


def run(check):
    """Run one check; an exception counts as a problem."""
    try:
        return check()
    except Exception as error:  # noqa: BLE001  whatever is wrong with the image is what we look for
        return [f"{type(error).__name__}: {error}"]


CHECKS = (check_tools, check_pythons, check_development_packages, check_user)

if __name__ == "__main__":
    checks = [{"name": one.__name__[6:], "promise": one.__doc__, "problems": run(one)} for one in CHECKS]
    print(json.dumps({"python": "", "checks": checks, "sizes": {}}))
