"""Wheels whose claims are false, and wheels that only look so, each modelled on what projects have published."""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from tests.unit.agent.elf_writer import AARCH64, SharedObject, module

CP313: Final = "demo-1.0-cp313-cp313-linux_x86_64.whl"
ABI3: Final = "demo-1.0-cp39-abi3-manylinux_2_17_x86_64.whl"
GENERAL: Final = "demo-1.0-py3-none-linux_x86_64.whl"
SUFFIX: Final = ".cpython-313-x86_64-linux-gnu.so"
GOOD: Final = module("_c")
MACH_O: Final = b"\xcf\xfa\xed\xfe\x07\0\0\x01" + bytes(64) + b"\0_PyInit__c\0"
PE: Final = b"MZ\x90\0" + bytes(64) + b"\0PyInit__c\0"
STABLE: Final = {
    "PyModuleDef_Init": (3, 5),
    "PyList_New": (3, 2),
    "PyType_FromSpec": (3, 2),
    "PyUnicode_AsUTF8AndSize": (3, 10),
    "PyObject_GetBuffer": (3, 11),
    "PyType_GetName": (3, 11),
    "_Py_NoneStruct": (3, 2),
    "PyDict_GetItemRef": (3, 13),
    "PyLong_AsInt": (3, 13),
}
"""A part of the stable ABI, as abi3info has it."""

Contents = Mapping[str, bytes]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """A wheel, and the kinds of its lies."""

    contents: Contents
    filename: str = CP313
    fatal: frozenset[str] = field(default_factory=frozenset)
    doubtful: frozenset[str] = field(default_factory=frozenset)


def lie(kind: str, contents: Contents, filename: str = CP313) -> Sample:
    """Return a wheel that must be refused."""
    return Sample(contents=contents, filename=filename, fatal=frozenset({kind}))


def doubt(kind: str, contents: Contents, filename: str = CP313) -> Sample:
    """Return a wheel that is only warned of."""
    return Sample(contents=contents, filename=filename, doubtful=frozenset({kind}))


def good(contents: Contents, filename: str = CP313) -> Sample:
    """Return a wheel with which nothing is wrong."""
    return Sample(contents=contents, filename=filename)


def _changed(data: bytes, place: int, value: bytes) -> bytes:
    return data[:place] + value + data[place + len(value) :]


_LOAD, _DYNAMIC = 64, 64 + 56  # program headers of a 64-bit file
_OFFSET, _ADDRESS, _SIZE = 8, 16, 32
_FAR: Final = (1 << 40).to_bytes(8, "little")


FREE: Final = "demo-1.0-cp313-cp313t-manylinux_2_28_x86_64.whl"
FREE_SUFFIX: Final = ".cpython-313t-x86_64-linux-gnu.so"
WITHOUT_GIL: Final = GOOD + b"\0" * (-len(GOOD) % 8) + struct.pack("<qq", 4, 1)
"""With a slot ``{Py_mod_gil, Py_MOD_GIL_NOT_USED}`` in its data."""


def _without_dynamic_segment() -> bytes:
    return _changed(GOOD, _DYNAMIC, bytes(4))


def _empty_dynamic_section() -> bytes:
    start, size = (int.from_bytes(GOOD[_DYNAMIC + at : _DYNAMIC + at + 8], "little") for at in (_OFFSET, _SIZE))
    return _changed(GOOD, start, bytes(size))


def _spoilt_name() -> bytes:
    """Point the first DT_NEEDED behind the strings."""
    data = GOOD
    dynamic = int.from_bytes(data[_DYNAMIC + _OFFSET : _DYNAMIC + _OFFSET + 8], "little")
    return _changed(data, dynamic + 8, b"\xff\xff\0\0\0\0\0\0")


CORRUPT: Final[Mapping[str, Callable[[], bytes]]] = {
    "truncated upload": lambda: GOOD[: len(GOOD) - 40],
    "header only": lambda: GOOD[:40],
    "section headers cut off by a bad strip": lambda: _changed(GOOD, 40, _FAR),
    "program headers behind the end": lambda: _changed(GOOD, 32, _FAR),
    "segment behind the end": lambda: _changed(GOOD, _LOAD + _SIZE, _FAR),
    "strip after patchelf: segment not aligned": lambda: _changed(GOOD, _LOAD + _ADDRESS, b"\x10"),
    "strip after patchelf: dynamic section lost": lambda: _changed(GOOD, _DYNAMIC + _OFFSET, _FAR),
    "needed library without a name": _spoilt_name,
    "dynamic segment taken out": _without_dynamic_segment,
    "dynamic section zeroed": _empty_dynamic_section,
    "object file that was never linked": lambda: _changed(GOOD, 16, b"\x01\0"),
    # sstrip, and strip --remove-section=.dynsym: the name of the entry point is there, the symbol is not.
    "symbol of the entry point taken out": lambda: SharedObject(provided=["PyOther"], soname="PyInit__c").bytes(),
}

LIES: Final[Mapping[str, Sample]] = {
    **{f"corrupt, {name}": lie("elf-corrupt", {f"demo/_c{SUFFIX}": make()}) for name, make in CORRUPT.items()},
    # Git LFS was not installed where the sdist was packed.
    "corrupt, pointer of Git LFS": lie(
        "elf-corrupt", {f"demo/_c{SUFFIX}": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"}
    ),
    "corrupt, empty": lie("elf-corrupt", {"demo/_c.abi3.so": b""}, ABI3),
    "corrupt, magic only": lie("elf-corrupt", {f"demo/_c{SUFFIX}": b"\x7fELF\x02"}),
    # A library that the module links to, damaged by a strip of the release script.
    "corrupt, library of the wheel": lie(
        "elf-corrupt",
        {
            f"demo/_c{SUFFIX}": module("_c", needed=["libfoo.so.1"], runpath="$ORIGIN/.libs"),
            "demo/.libs/libfoo.so.1": GOOD[:-40],
        },
    ),
    # setuptools: bdist_wheel has py_limited_api, Py_LIMITED_API is not defined.
    "abi3, private symbol": lie("abi3-violated", {"demo/_c.abi3.so": module("_c", "_PyLong_Format")}, ABI3),
    "abi3, public symbol outside of it": lie(
        "abi3-violated", {"demo/_c.abi3.so": module("_c", "PyUnicode_AsUTF8")}, ABI3
    ),
    "abi3, data outside of it": lie("abi3-violated", {"demo/_c.abi3.so": module("_c", "PyFloat_FromDoubleX")}, ABI3),
    # Py_LIMITED_API is newer than the tag.
    "abi3, symbol of 3.10 under cp39": lie(
        "abi3-violated", {"demo/_c.abi3.so": module("_c", "PyUnicode_AsUTF8AndSize")}, ABI3
    ),
    "abi3, symbol of 3.11 under cp310": lie(
        "abi3-violated",
        {"demo/_c.abi3.so": module("_c", "PyObject_GetBuffer")},
        "demo-1.0-cp310-abi3-linux_x86_64.whl",
    ),
    "abi3, symbol of 3.13 under cp38": lie(
        "abi3-violated",
        {"demo/_c.abi3.so": module("_c", "PyDict_GetItemRef")},
        "demo-1.0-cp38-abi3-linux_x86_64.whl",
    ),
    # A module without a suffix is imported by every Python, so the tag is its only claim.
    "abi3, plain name": lie("abi3-violated", {"demo/_c.so": module("_c", "PyUnicode_AsUTF8")}, ABI3),
    "abi3, installed by platlib": lie(
        "abi3-violated", {"demo-1.0.data/platlib/_c.abi3.so": module("_c", "PyUnicode_AsUTF8")}, ABI3
    ),
    "abi3, one of two modules": lie(
        "abi3-violated",
        {"demo/_c.abi3.so": GOOD, "demo/_d.abi3.so": module("_d", "_PyObject_GetState")},
        ABI3,
    ),
    # CMake was told another target than Python.
    "foreign, ELF of ARM": lie("foreign-platform", {f"demo/_c{SUFFIX}": module("_c", machine=AARCH64)}),
    "foreign, ELF of 32 bits": lie("foreign-platform", {f"demo/_c{SUFFIX}": module("_c", machine=3, bits=32)}),
    "foreign, other byte order": lie(
        "foreign-platform",
        {"demo/_c.abi3.so": module("_c", machine=22, order=">")},
        "demo-1.0-cp39-abi3-linux_ppc64le.whl",
    ),
    # The developer's own file came with the sdist, and the build found nothing to do.
    "foreign, Mach-O under Linux' name": lie("foreign-platform", {f"demo/_c{SUFFIX}": MACH_O}),
    "foreign, Mach-O under a plain name": lie("foreign-platform", {"demo/_c.so": MACH_O}),
    "foreign, Mach-O of the stable ABI": lie("foreign-platform", {"demo/_c.abi3.so": MACH_O}, ABI3),
    "foreign, PE under a plain name": lie("foreign-platform", {"demo/_c.so": PE}),
    # A wheel for macOS that was renamed.
    "foreign, nothing for this platform": lie("foreign-platform", {"demo/_c.cpython-313-darwin.so": MACH_O}),
    "foreign, x86-64 under aarch64": lie(
        "foreign-platform", {f"demo/_c{SUFFIX}": GOOD}, "demo-1.0-cp313-cp313-manylinux_2_28_aarch64.whl"
    ),
    # A build folder of another Python was packed again.
    "name of an older Python": lie("abi-tag-mismatch", {"demo/_c.cpython-311-x86_64-linux-gnu.so": GOOD}),
    "name of a newer Python": lie("abi-tag-mismatch", {"_c.cpython-314-x86_64-linux-gnu.so": GOOD}),
    "name of the free-threaded Python": lie("abi-tag-mismatch", {"demo/_c.cpython-313t-x86_64-linux-gnu.so": GOOD}),
    "name of the default Python, free-threaded tag": lie(
        "abi-tag-mismatch", {f"demo/_c{SUFFIX}": GOOD}, "demo-1.0-cp313-cp313t-linux_x86_64.whl"
    ),
    # Extension(py_limited_api=True) was forgotten beside bdist_wheel's option.
    "name of one Python under abi3": lie("abi-tag-mismatch", {f"demo/_c{SUFFIX}": GOOD}, ABI3),
    # setup.py without ext_modules, which ran the compiler itself.
    "general tag, module of one Python": lie("tag-too-general", {f"demo/_c{SUFFIX}": GOOD}, GENERAL),
    "pure tag, module of one Python": lie("tag-too-general", {f"demo/_c{SUFFIX}": GOOD}, "demo-1.0-py3-none-any.whl"),
    "general tag, plain module with unstable symbols": lie(
        "tag-too-general", {"demo/_c.so": module("_c", "PyUnicode_AsUTF8")}, GENERAL
    ),
}

LIES_OF_MORE_KINDS: Final[Mapping[str, Sample]] = {
    "foreign, library that the module links to": lie(
        "foreign-platform",
        {
            f"demo/_c{SUFFIX}": module("_c", needed=["libfoo.so.1"], runpath="$ORIGIN"),
            "demo/libfoo.so.1": SharedObject(soname="libfoo.so.1", machine=AARCH64).bytes(),
        },
    ),
    # A module from Alpine's pip was packed again for manylinux.
    "foreign, linked to musl": lie(
        "foreign-platform",
        {f"demo/_c{SUFFIX}": module("_c", needed=["libc.musl-x86_64.so.1"])},
        "demo-1.0-cp313-cp313-manylinux_2_28_x86_64.whl",
    ),
    "free-threaded, one-phase module that never says so": lie(
        "gil-enabled", {f"demo/_c{FREE_SUFFIX}": module("_c", "PyModule_Create2")}, FREE
    ),
}

DOUBTS: Final[Mapping[str, Sample]] = {
    "free-threaded, slots that are not in its data": doubt("gil-enabled", {f"demo/_c{FREE_SUFFIX}": GOOD}, FREE),
    # PySide: libshiboken of another wheel has functions with names like Python's.
    "abi3, symbol that another wheel's library may have": doubt(
        "abi3-violated",
        {"demo/_c.abi3.so": module("_c", "PyUnicode_AsUTF8", needed=["libc.so.6", "libother.abi3.so.6"])},
        ABI3,
    ),
    # An optional accelerator for one Python beside the module of the stable ABI.
    "name of one Python beside a stable module": doubt(
        "abi-tag-mismatch", {"demo/_c.abi3.so": GOOD, f"demo/_speed{SUFFIX}": module("_speed")}, ABI3
    ),
    # The project chooses the folder by platform.system().
    "foreign, one folder for each platform": doubt(
        "foreign-platform", {"demo/linux/_c.so": GOOD, "demo/darwin/_c.so": MACH_O}
    ),
    "search path of the builder": doubt("rpath-invalid", {f"demo/_c{SUFFIX}": module("_c", runpath="/build/lib")}),
    "search path out of site-packages": doubt(
        "rpath-invalid", {f"demo/_c{SUFFIX}": module("_c", runpath="$ORIGIN/../../lib")}
    ),
    "search path of the current folder": doubt("rpath-invalid", {f"demo/_c{SUFFIX}": module("_c", runpath="lib")}),
    "search path beside the library": doubt(
        "rpath-invalid",
        {
            f"demo/_c{SUFFIX}": module("_c", needed=["libfoo.so.1"], runpath="$ORIGIN/lib"),
            "demo.libs/libfoo.so.1": SharedObject(soname="libfoo.so.1").bytes(),
        },
    ),
    "executable stack": doubt("executable-stack", {f"demo/_c{SUFFIX}": module("_c", executable_stack=True)}),
    "text relocations": doubt("text-relocations", {f"demo/_c{SUFFIX}": module("_c", text_relocations=True)}),
    # cffi names its modules abi3 whatever the wheel's tag says.
    "abi3 name under one Python's tag": doubt("abi3-violated", {"demo/_c.abi3.so": module("_c", "PyUnicode_AsUTF8")}),
    # mypyc and Cython keep the source beside the module.
    "module of another Python with its source": doubt(
        "abi-tag-mismatch", {"demo/_c.cpython-311-x86_64-linux-gnu.so": GOOD, "demo/_c.py": b""}
    ),
    "test data: a module of another Python": doubt(
        "abi-tag-mismatch", {"tests/data/_c.cpython-311-x86_64-linux-gnu.so": GOOD}
    ),
    "test data: a module of another machine": doubt(
        "foreign-platform", {f"demo/tests/_c{SUFFIX}": module("_c", machine=AARCH64)}
    ),
    "test data: a damaged module": doubt("elf-corrupt", {f"demo/tests/_c{SUFFIX}": GOOD[:-40]}),
    "damaged module of another Python beside the right one": doubt(
        "elf-corrupt", {f"demo/_c{SUFFIX}": GOOD, "demo/_c.cpython-311-x86_64-linux-gnu.so": GOOD[:-40]}
    ),
    "file of debug information": doubt("elf-corrupt", {"demo/debug/_c.debug": GOOD[:-40], f"demo/_c{SUFFIX}": GOOD}),
    "general tag with modules of several Pythons": doubt(
        "tag-too-general",
        {f"demo/_c{SUFFIX}": GOOD, "demo/_c.cpython-314-x86_64-linux-gnu.so": GOOD},
        GENERAL,
    ),
    "general tag with a stable module": doubt("tag-too-general", {"demo/_c.abi3.so": GOOD}, GENERAL),
    "module of macOS beside one that fits": doubt(
        "foreign-platform", {f"demo/_d{SUFFIX}": module("_d"), "demo/_c.cpython-313-darwin.so": MACH_O}
    ),
}

RIGHT: Final[Mapping[str, Sample]] = {
    "module of one Python": good({f"demo/_c{SUFFIX}": GOOD}),
    "module of the stable ABI": good({"demo/_c.abi3.so": module("_c", "PyList_New", "_Py_NoneStruct")}, ABI3),
    "symbol as new as the tag": good(
        {"demo/_c.abi3.so": module("_c", "PyType_GetName")}, "demo-1.0-cp311-abi3-linux_x86_64.whl"
    ),
    "symbol that may be missing": good(
        {"demo/_c.abi3.so": SharedObject(weak=["PyType_GetName", "_PyX"], provided=["PyInit__c"]).bytes()}, ABI3
    ),
    "symbol that the wheel provides": good(
        {
            "demo/_c.abi3.so": module("_c", "PyShim_New", needed=["libshim.so"], runpath="$ORIGIN"),
            "demo/libshim.so": SharedObject(provided=["PyShim_New"], soname="libshim.so").bytes(),
        },
        ABI3,
    ),
    "stable ABI of a Python that is not known yet": good(
        {"demo/_c.abi3.so": module("_c", "PyTomorrow_New")}, "demo-1.0-cp399-abi3-linux_x86_64.whl"
    ),
    "free-threaded module": good({f"demo/_c{FREE_SUFFIX}": WITHOUT_GIL}, FREE),
    "free-threaded module of one phase": good(
        {f"demo/_c{FREE_SUFFIX}": module("_c", "PyModule_Create2", "PyUnstable_Module_SetGIL")}, FREE
    ),
    "stable and free-threaded ABI in one tag": good(
        {"demo/_c.abi3.so": WITHOUT_GIL}, "demo-1.0-cp313-abi3.cp313t-manylinux_2_28_x86_64.whl"
    ),
    "module that needs the GIL under the tag of a Python with one": good(
        {f"demo/_c{SUFFIX}": module("_c", "PyModule_Create2")}
    ),
    "file for debuggers beside the library that it is of": good(
        {
            f"demo/_c{SUFFIX}": module("_c", needed=["libfoo.so.1"], runpath="$ORIGIN"),
            "demo/libfoo.so.1": SharedObject(soname="libfoo.so.1").bytes(),
            "demo/.debug/libfoo.so.1": _without_dynamic_segment(),
        }
    ),
    "plain module with symbols that another file of the wheel has": good(
        {
            "demo/_c.so": module("_c", "PyShim_New", needed=["libshim.so"], runpath="$ORIGIN"),
            "demo/libshim.so": SharedObject(provided=["PyShim_New"], soname="libshim.so").bytes(),
        },
        GENERAL,
    ),
    "library of another machine that no file links to": good(
        {f"demo/_c{SUFFIX}": GOOD, "demo/arm/libplug.so": SharedObject(machine=AARCH64).bytes()}
    ),
    "program and object file as data": good(
        {
            f"demo/_c{SUFFIX}": GOOD,
            "demo/start.o": _changed(GOOD, 16, b"\x01\0"),
            "demo/run": _without_dynamic_segment(),
        }
    ),
    "libraries for musl and glibc side by side": good(
        {"demo/libfoo-musl.so": SharedObject(needed=["libc.musl-x86_64.so.1"]).bytes(), "demo/libfoo.so": GOOD},
        GENERAL,
    ),
    "old ABI flag": good(
        {"demo/_c.cpython-37m-x86_64-linux-gnu.so": GOOD}, "demo-1.0-cp37-cp37m-manylinux2014_x86_64.whl"
    ),
    "module of ARM": good(
        {"demo/_c.cpython-313-aarch64-linux-gnu.so": module("_c", machine=AARCH64)},
        "demo-1.0-cp313-cp313-manylinux_2_17_aarch64.manylinux2014_aarch64.whl",
    ),
    "32-bit module": good(
        {"demo/_c.cpython-313-i386-linux-gnu.so": module("_c", machine=3, bits=32)},
        "demo-1.0-cp313-cp313-linux_i686.whl",
    ),
    "libraries of ctypes for several platforms": good(
        {
            "demo/attach_linux_aarch64.so": SharedObject(machine=AARCH64).bytes(),
            "demo/attach_linux_amd64.so": SharedObject().bytes(),
            "demo/attach.dylib": MACH_O,
            "demo/attach.dll": PE,
        },
        GENERAL,
    ),
    "modules of several Pythons beside the right one": good(
        {f"demo/_c{SUFFIX}": GOOD, "demo/_c.cpython-311-x86_64-linux-gnu.so": GOOD}
    ),
    "modules of several platforms beside the right one": good(
        {f"demo/_c{SUFFIX}": GOOD, "demo/_c.cpython-313-darwin.so": MACH_O, "demo/_c.cp313-win_amd64.pyd": PE}
    ),
    "module of Windows, kept as data": good({"demo/_c.cp313-win_amd64.pyd": PE, f"demo/_d{SUFFIX}": module("_d")}),
    "library of the wheel, found": good(
        {
            f"demo/_c{SUFFIX}": module("_c", needed=["libfoo-1a2b.so.1"], runpath="$ORIGIN/../demo.libs"),
            "demo.libs/libfoo-1a2b.so.1": SharedObject(soname="libfoo-1a2b.so.1").bytes(),
        }
    ),
    "library of another project": good({f"demo/_c{SUFFIX}": module("_c", runpath="$ORIGIN/../nvidia/cublas/lib")}),
    "empty search path, as patchelf leaves it": good({f"demo/_c{SUFFIX}": module("_c", runpath="")}),
    "script that is called a library": good({f"demo/_c{SUFFIX}": GOOD, "demo/libfoo.so": b"INPUT(libfoo.so.1)\n"}),
    "program": good({"demo-1.0.data/scripts/tool": SharedObject().bytes()}, GENERAL),
}
