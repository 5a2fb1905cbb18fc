"""Read from a build's output which extension modules it began to make.

The lines are those of setuptools (``distutils/command/build_ext.py``, for Cython, cffi and mypyc too) and of
setuptools-rust. A project can print any of them, which only harms its own build.
"""

import re
from typing import Final

MAX_LINE_BYTES: Final = 1000
_MODULE: Final = rb"[A-Za-z_][\w./]{0,199}"
"""In bytes, ``\\w`` is ASCII only."""
_TRIED: Final = (
    re.compile(rb"\bbuilding '(%s)' extension" % _MODULE),
    re.compile(rb'\bbuilding extension "(%s)" failed' % _MODULE),
    re.compile(rb"\bBuild optional Rust extension (%s) failed" % _MODULE),
)
_MARK: Final = b" extension"
"""A part of each of these lines, for a quick test of any other."""


def read_tried_module(line: bytes) -> str | None:
    """Return the name of the extension module that a line says is being made; None for any other line."""
    if len(line) > MAX_LINE_BYTES or _MARK not in line:
        return None
    found = next((match[1] for pattern in _TRIED if (match := pattern.search(line))), None)
    return None if found is None else found.decode().strip(".").replace("/", ".")
