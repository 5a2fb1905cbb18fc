"""Which libraries a wheel may carry although its policy promises them on every host, and which must stay the host's.

manylinux promises some libraries on every host (PEP 513, PEP 600), so auditwheel does not graft them; a bare image
lacks several. A copy in the wheel is loaded under a name of its own, beside the host's if the process has that one,
too. That is harmless for a library whose objects never leave it, such as a parser of bytes, and harmful for one with
state that a process must have once: registries of types, connections to a server, a driver, a memory allocator.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

_LIBC: Final = "it is a part of glibc, which a process has once and which must have the version of its loader"
_RUNTIME: Final = "exceptions and types pass between modules through it, so all of them must have the same one"
_GLIB: Final = "it has one registry of types, one main loop and one allocator of slices in a process"
_X11: Final = "its connections, locks and extensions of a display are shared by all that draw in a process"
_DRIVER: Final = "it must fit the graphics driver of the host, and has one current context in a thread"
_SESSION: Final = "it has one table of protocols, connections and error handlers in a process"
_WAYLAND: Final = "its proxies and events pass between toolkit, driver and application"
_TOOLKIT: Final = "it registers types with GLib and connects to the display, both once in a process"

_TABLE: Final = (
    # glibc, whose parts need internal symbols of each other: https://github.com/pypa/auditwheel/issues/406
    *((name, False, _LIBC) for name in ("ld-linux*.so.*", "ld64.so.*", "libc.so.6", "libm.so.6", "libmvec.so.1")),
    *((name, False, _LIBC) for name in ("libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1")),
    *((name, False, _LIBC) for name in ("libresolv.so.2", "libanl.so.1", "libnsl.so.1", "libthread_db.so.1")),
    ("libnss_*.so.2", False, "glibc's own name service loads it"),
    # GCC's run-time libraries.
    ("libstdc++.so.6", False, _RUNTIME),
    (
        "libgcc_s.so.1",
        False,
        "it unwinds the stack through all modules of a process, with one register of their frames",
    ),
    # https://reviews.llvm.org/D47606 has the same of LLVM's.
    ("libatomic.so.1", False, "its locks guard an object only if all of a process lock in the same table"),
    # GLib and what is built on it.
    *((f"lib{name}-2.0.so.0", False, _GLIB) for name in ("glib", "gobject", "gio", "gmodule", "gthread")),
    *((name, False, _TOOLKIT) for name in ("libgdk-*.so.*", "libgdk_pixbuf-*.so.*", "libgtk-*.so.*")),
    # X11 and its extensions.
    *((name, False, _X11) for name in ("libX11.so.6", "libX11-xcb.so.1", "libXext.so.6", "libXrender.so.1")),
    *((name, False, _X11) for name in ("libX*.so.*", "libxcb.so.1", "libxcb-*.so.*", "libxkbcommon*.so.*")),
    *((name, False, _SESSION) for name in ("libICE.so.6", "libSM.so.6")),
    *((name, False, _WAYLAND) for name in ("libwayland-*.so.*",)),
    # OpenGL and other drivers' libraries. https://gitlab.freedesktop.org/glvnd/libglvnd
    *((name, False, _DRIVER) for name in ("libGL.so.1", "libGL[!A-Z]*.so.*", "libGLX*.so.*", "libGLdispatch.so.*")),
    *((name, False, _DRIVER) for name in ("libGLES*.so.*", "libEGL*.so.*", "libOpenGL.so.*", "libdrm*.so.*")),
    *(
        (name, False, _DRIVER)
        for name in ("libgbm.so.*", "libvulkan.so.*", "libva.so.*", "libva-*.so.*", "libvdpau*.so.*")
    ),
    *((name, False, _DRIVER) for name in ("libcuda.so.*", "libnvidia-*.so.*", "libOpenCL.so.*")),
    # Libraries whose copies do not meet.
    ("libexpat.so.1", True, "a parser never leaves the library that made it"),
    ("libz.so.1", True, "a stream never leaves the library that made it"),
    ("libdbus-1.so.3", True, "each copy has its own connections, which the bus tells apart"),
    ("libpulse*.so.*", True, "each copy has its own connections, which the server tells apart"),
)
"""Patterns of sonames, whether a copy may be in a wheel, and why; the first that matches counts."""
_UNKNOWN: Final = "nothing is known against a second copy of it"


@dataclass(frozen=True, kw_only=True, slots=True)
class HostLibrary:
    """The judgement of a library that a bare host lacks."""

    soname: str
    may_graft: bool
    """True if a copy in the wheel is harmless; False if the wheel must have the host's own."""
    reason: str
    """Why, as a part of a sentence."""


def judge_host_library(soname: str) -> HostLibrary:
    """Return whether a library may be grafted; one that the table does not name may be."""
    for pattern, may_graft, reason in _TABLE:
        if fnmatchcase(soname, pattern):
            return HostLibrary(soname=soname, may_graft=may_graft, reason=reason)
    return HostLibrary(soname=soname, may_graft=True, reason=_UNKNOWN)


def is_judged(soname: str) -> bool:
    """Return whether the table names a library."""
    return any(fnmatchcase(soname, pattern) for pattern, _, _ in _TABLE)


def refused_grafts(patterns: Iterable[str]) -> tuple[str, ...]:
    """Return why patterns of sonames must not be grafted: one sentence's part for each that names such a library."""
    found: dict[str, str] = {}
    for pattern in patterns:
        for name, may_graft, reason in _TABLE:
            if not may_graft and overlap(pattern, name):
                found.setdefault(pattern, f"{pattern!r} must stay the host's ({name}): {reason}")
    return tuple(found.values())


def overlap(one: str, other: str) -> bool:
    """Return whether one of two patterns of sonames names what the other one has."""
    return one == other or fnmatchcase(one, other) or fnmatchcase(other, one)
