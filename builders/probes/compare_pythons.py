"""Compare a CPython with another one of the same source: extension modules that are built with both must be the same.

    compare_pythons.py QUICK OPTIMISED FOLDER

QUICK and OPTIMISED are installed prefixes, FOLDER is where the second one was compiled. Ends with an error that names
every difference which an extension module could see.
"""

import glob
import json
import os
import runpy
import sys

# What only CPython itself is compiled with: sysconfig and every build backend leave it out (bpo-35257). The LIB*_CFLAGS
# are those of the libraries in CPython's own source.
OWN = frozenset(
    {
        "CONFIG_ARGS",
        "CFLAGS_NODIST",
        "CONFIGURE_CFLAGS_NODIST",
        "CONFIGURE_LDFLAGS_NODIST",
        "CONFIGURE_LDFLAGS_NOLTO",
        "DEF_MAKE_ALL_RULE",
        "DEF_MAKE_RULE",
        "LDFLAGS_NODIST",
        "LIBEXPAT_CFLAGS",
        "LIBHACL_CFLAGS",
        "LIBMPDEC_CFLAGS",
        "PY_BUILTIN_MODULE_CFLAGS",
        "PY_CFLAGS_NODIST",
        "PY_CORE_CFLAGS",
        "PY_CORE_LDFLAGS",
        "PY_LDFLAGS_NODIST",
        "PY_LDFLAGS_NOLTO",
        "PY_STDMODULE_CFLAGS",
    }
)
# Where each was compiled.
FOLDERS = ("abs_builddir", "abs_srcdir")


def read_variables(prefix):
    """Return the variables of sysconfig as the build wrote them."""
    [path] = glob.glob(os.path.join(prefix, "lib", "python*", "_sysconfigdata_*.py"))
    return runpy.run_path(path)["build_time_vars"]


def find_differences(quick, optimised, folder):
    """Yield the variables that differ, without those of CPython's own compilation and of places."""
    here = quick.get("abs_builddir", "")
    for name in sorted({*quick, *optimised} - OWN - {*FOLDERS}):
        values = [quick.get(name), optimised.get(name)]
        if isinstance(values[1], str) and here:
            values[1] = values[1].replace(folder, here)
        if values[0] != values[1]:
            yield f"{name}: {values[0]!r} is {values[1]!r}"


def read_headers(prefix):
    """Return the content of each header by its path."""
    found = {}
    for folder, _, names in os.walk(os.path.join(prefix, "include")):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as stream:
                found[os.path.relpath(path, prefix)] = stream.read()
    return found


def main(quick, optimised, folder):
    """Return all differences as text; None if there are none."""
    problems = [*find_differences(read_variables(quick), read_variables(optimised), folder)]
    headers = [read_headers(prefix) for prefix in (quick, optimised)]
    if not headers[0]:
        problems.append(f"{quick} has no headers")
    problems += [
        f"{name} differs" for name in sorted({*headers[0], *headers[1]}) if headers[0].get(name) != headers[1].get(name)
    ]
    return json.dumps(problems, indent=1) if problems else None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
