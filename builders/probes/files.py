"""Check the files of a builder or runtime image, from inside it; print JSON.

Run as the image's own user with a Python of the image; needs nothing else. The checks hold for every suite and Python.
"""

import json
import os
import stat
import struct

_ELSEWHERE = ("/proc", "/sys", "/dev", "/scratch", "/tmp")
_OURS, _TOOLS = "/opt/python/", "/opt/wheelyard/tools"
_DEBUG = (".debug_info", ".zdebug_info")
_LEFT_OUT = ("pip", "ensurepip", "test", "tests", "tkinter", "idlelib", "turtledemo")
_CACHES = (".deb", "pkgcache.bin")
_SYMBOL_TABLE = 2
_UNCHECKED = 1
_SHOWN = 20


def find_files():
    """Yield the path and the status of every regular file."""
    for folder, folders, names in os.walk("/"):
        folders[:] = [name for name in folders if os.path.join(folder, name) not in _ELSEWHERE]
        for name in names:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            if stat.S_ISREG(status.st_mode):
                yield path, status


def read_sections(path):
    """Return the name and type of each section of an ELF file; none for any other file (elf(5))."""
    with open(path, "rb") as stream:
        head = stream.read(64)
        if len(head) < 64 or head[:5] != b"\x7fELF\x02":
            return []
        order = "<" if head[5] == 1 else ">"
        (offset,) = struct.unpack_from(f"{order}Q", head, 40)
        size, count, names_at = struct.unpack_from(f"{order}3H", head, 58)
        stream.seek(offset)
        table = stream.read(size * count)
        headers = [struct.unpack_from(f"{order}2IQQQQ", table, size * number) for number in range(count)]
        if not headers:
            return []
        stream.seek(headers[names_at][4])
        names = stream.read(headers[names_at][5])
    return [(names[at : names.index(b"\0", at)].decode(), kind) for at, kind, *_ in headers]


def check_debug_symbols():
    """No file of a runtime and no Python of ours has debug information; nor do our Pythons have symbol tables."""
    # A builder's sanitizers have debug information on purpose; they belong to the distribution and stay.
    looked_at = _OURS if os.path.isdir(_TOOLS) else "/"
    problems = []
    for path, status in find_files():
        if not path.startswith(looked_at) or not is_program(path, status):
            continue
        for name, kind in read_sections(path):
            if name in _DEBUG or (path.startswith(_OURS) and kind == _SYMBOL_TABLE):
                problems.append(f"{path}: {name}")
    return problems


def is_program(path, status):
    """Return whether a file may be a readable program or library."""
    named = path.endswith(".so") or ".so." in path
    return (named or status.st_mode & 0o111) and os.access(path, os.R_OK)


def check_setuid():
    """No program lets its caller become another user or group."""
    return [path for path, status in find_files() if status.st_mode & (stat.S_ISUID | stat.S_ISGID)]


def check_owner():
    """Everything of ours belongs to root."""
    ours = ((path, status) for path, status in find_files() if path.startswith("/opt/"))
    return [path for path, status in ours if (status.st_uid, status.st_gid) != (0, 0)]


def check_leftovers():
    """Our Pythons have no pip, no test modules, no Tk and nothing to link statically."""
    folders = [folder for folder, _, _ in os.walk(_OURS) if os.path.basename(folder) in _LEFT_OUT]
    linked = [path for path, _ in find_files() if path.startswith(_OURS) and path.endswith((".a", ".o"))]
    return folders + [path for path in linked if not is_empty_archive(path)]


def is_empty_archive(path):
    """Return whether a file is an archive without members, which links nothing."""
    with open(path, "rb") as file:
        return file.read(9) == b"!<arch>\n"


def check_byte_code():
    """Every module of our Pythons has byte code that is not checked against its source (PEP 552)."""
    modules = (path for path, _ in find_files() if path.startswith(_OURS) and path.endswith(".py"))
    return [path for path in modules if not has_byte_code(path)]


def has_byte_code(path):
    """Return whether a module has byte code that is valid whatever the module's time or hash (PEP 552)."""
    version = path[len(_OURS) :].partition("/")[0].replace(".", "")
    folder, name = os.path.split(path)
    cached = os.path.join(folder, "__pycache__", f"{name[:-3]}.cpython-{version}.pyc")
    if not os.path.exists(cached):
        return False
    with open(cached, "rb") as stream:
        return struct.unpack("<4xL", stream.read(8)) == (_UNCHECKED,)


def check_caches():
    """No lists or caches of the package manager."""
    lists = [path for path, _ in find_files() if path.startswith("/var/lib/apt/lists/") and not path.endswith("/lock")]
    return lists + [path for path, _ in find_files() if path.startswith("/var/") and path.endswith(_CACHES)]


def run(check):
    """Run one check; an exception counts as a problem."""
    try:
        return check()[:_SHOWN]
    except Exception as error:  # noqa: BLE001  whatever is wrong with the image is what we look for
        return [f"{type(error).__name__}: {error}"]


CHECKS = (check_debug_symbols, check_setuid, check_owner, check_leftovers, check_byte_code, check_caches)

if __name__ == "__main__":
    checks = [{"name": one.__name__[6:], "promise": one.__doc__, "problems": run(one)} for one in CHECKS]
    print(json.dumps({"checks": checks}))
