"""Check the members of a wheel as untrusted data: their names, kinds and sizes, before anything is read or unpacked.

Refused wheels would be unpacked differently on some machines, or outside of their folder, or without end.
"""

import re
import stat
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Final
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipInfo

from packaging.utils import canonicalize_name

from wheelyard.zip_files import MAX_MEMBERS

MAX_UNPACKED_BYTES: Final = 8 << 30
_MAX_NAME_BYTES: Final = 1000
_MAX_PART_BYTES: Final = 255  # limits of file systems
_MAX_PARTS: Final = 100
_LOCAL_HEADER_BYTES: Final = 30
_SHOWN: Final = 100
# Control characters, and those that reverse the direction of text.
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_DRIVE: Final = re.compile(r"[A-Za-z]:")
_KINDS: Final = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}


def check_members(members: Sequence[ZipInfo]) -> None:
    """Check all members; raise ValueError with the reason."""
    if len(members) > MAX_MEMBERS:
        raise ValueError(f"it has {len(members)} members, and {MAX_MEMBERS} are allowed")
    for member in members:
        _check_name(member)
        _check_kind(member)
    _check_distinct([member.filename for member in members])
    _check_sizes(members)


def shown(name: str) -> str:
    """Quote an untrusted name for a message."""
    quoted = ascii(name)
    return quoted if len(quoted) <= _SHOWN else f"{quoted[:_SHOWN]}…"


def folded(name: str) -> str:
    """Return a key that is equal for names that are the same on some file system."""
    return unicodedata.normalize("NFC", name.removesuffix("/")).casefold()


def _check_name(member: ZipInfo) -> None:
    # zipfile cuts a name at its first NUL, so the original name is checked
    # (https://github.com/python/cpython/issues/38653).
    name = member.orig_filename
    problem = next(_problems(name), None)
    if problem:
        raise ValueError(f"its member {shown(name)} {problem}")


def _problems(name: str) -> Iterator[str]:
    parts = name.removesuffix("/").split("/")
    if _UNPRINTABLE.search(name):
        yield "has control characters in its name"
    elif name.startswith("/") or _DRIVE.match(name):
        yield "has an absolute path"
    elif "\\" in name:
        yield "has a backslash in its name"
    elif not {"", ".", ".."}.isdisjoint(parts):
        yield "has a path that leaves its folder or is not normal"
    elif len(name.encode()) > _MAX_NAME_BYTES or any(len(part.encode()) > _MAX_PART_BYTES for part in parts):
        yield "has a name that is too long"
    elif len(parts) > _MAX_PARTS:
        yield f"is below more than {_MAX_PARTS} folders"


def _check_kind(member: ZipInfo) -> None:
    if member.compress_type not in {ZIP_STORED, ZIP_DEFLATED}:
        raise ValueError(f"its member {shown(member.filename)} is compressed in a way that not every installer knows")
    mode = member.external_attr >> 16
    if kind := _KINDS.get(stat.S_IFMT(mode)):
        raise ValueError(f"its member {shown(member.filename)} is {kind}")
    if mode & (stat.S_ISUID | stat.S_ISGID):
        raise ValueError(f"its member {shown(member.filename)} is setuid or setgid")


def _check_distinct(names: Sequence[str]) -> None:
    """Refuse names that are the same on some file system, and files that are folders of other members."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.get(folded(name))
        if other == name:
            raise ValueError(f"it has its member {shown(name)} twice")
        if other is not None:
            raise ValueError(f"its members {shown(other)} and {shown(name)} are one where case does not count")
        seen[folded(name)] = name
    files = {folded(name) for name in names if not name.endswith("/")}
    for name in names:
        for parent in PurePosixPath(folded(name)).parents:
            if str(parent) in files:
                raise ValueError(f"its member {shown(name)} is in a folder that is a file")


def _check_sizes(members: Sequence[ZipInfo]) -> None:
    unpacked = sum(member.file_size for member in members)
    if unpacked > MAX_UNPACKED_BYTES:
        raise ValueError(f"it unpacks to {unpacked} bytes, and {MAX_UNPACKED_BYTES} are allowed")
    placed = sorted(members, key=lambda member: member.header_offset)
    for one, following in pairwise(placed):
        if one.header_offset + _LOCAL_HEADER_BYTES + one.compress_size > following.header_offset:
            raise ValueError(f"its members {shown(one.filename)} and {shown(following.filename)} overlap")


SITE: Final = "lib/python3/site-packages"
"""The folder of modules, in any version of Python; purelib and platlib are the same in virtual environments."""
PROGRAMS: Final = "bin"
_HEADERS: Final = "include/python3"
_SITES: Final = frozenset({"site-packages", "dist-packages"})
_LIBRARIES: Final = re.compile(r"lib(?:32|64|x32)?")
_VERSION: Final = re.compile(r"(?:python|pypy)[0-9.]*[dt]*")
_PYTHON_LIBRARY: Final = re.compile(r"python[0-9.]*[dt]*\.zip|libpython[0-9].*")
_PIP_SETTINGS: Final = frozenset({"pip.conf", "pip.ini"})
_METADATA: Final = (".dist-info", ".egg-info", ".egg-link", ".egg")
_EDITABLE: Final = "__editable__"
"""The file names of setuptools' editable installations."""


def installed_path(member: str) -> str:
    """Return where installers put a member of a wheel, relative to the environment.

    Parts that differ by Python's version and platform are given in one form:
    ``data/lib64/python3.13/site-packages/x.py`` and ``purelib/x.py`` both become ``lib/python3/site-packages/x.py``.
    """
    top, _, rest = member.partition("/")
    if not plain(top).endswith(".data"):
        return f"{SITE}/{member}"
    scheme, _, rest = rest.partition("/")
    match scheme:
        case "purelib" | "platlib":
            return f"{SITE}/{rest}"
        case "scripts":
            return f"{PROGRAMS}/{rest}"
        case "headers":
            return f"{_HEADERS}/{top.partition('-')[0]}/{rest}"
        case _:
            return in_environment(rest)


def plain(part: str) -> str:
    """Normalise a part of a path as any file system may: case, forms of Unicode, ignored characters, dropped ends."""
    if part.isascii():
        return part.lower().rstrip(". ")
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", part).casefold())
    return "".join(one for one in text if unicodedata.category(one) != "Cf").rstrip(". ")


def check_places(names: Sequence[str], *, info: str, roots: Collection[str] = (SITE,)) -> None:
    """Refuse members that would be installed in a place that is not the wheel's own.

    Args:
        names: the wheel's members.
        info: its ``.dist-info`` folder.
        roots: the installed folders in which Python looks for modules, or will once the wheel is installed.

    Raises:
        ValueError: there is such a member.
    """
    project = canonicalize_name(info.partition("-")[0])
    installed: dict[str, str] = {}
    for name in names:
        path = installed_path(name)
        is_ours = name == info or name.startswith(f"{info}/")
        # The wheel's own metadata is in the right place, unless Python is to look for modules in there.
        places = [root for root in roots if root != SITE] if is_ours else roots
        if problem := next(_place_problems(name, path, project, places), None):
            raise ValueError(f"its member {shown(name)} {problem}")
        if not name.endswith("/"):
            if root := next(_roots_in(path, roots), None):
                raise ValueError(f"Python is to look for modules in its member {shown(name)} (as {shown(root)})")
            other = installed.setdefault(folded(path), name)
            if other != name:
                raise ValueError(f"its members {shown(other)} and {shown(name)} would be installed as one file")
    for path, name in installed.items():
        folder = path
        while folder := folder.rpartition("/")[0]:
            if (file := installed.get(folder)) is not None:
                raise ValueError(f"its member {shown(name)} would be installed below {shown(file)}, which is a file")


def _roots_in(path: str, roots: Collection[str]) -> Iterator[str]:
    """Yield the folders that are a file, or in one: Python looks into zip files, which are not checked before."""
    file = "/".join(map(plain, path.split("/")))
    for root in roots:
        if _is_below(root, file):
            yield root


def in_environment(path: str) -> str:
    """Return the one form of a path in an environment, such as one below the scheme ``data``, which may be anywhere."""
    parts = path.split("/")
    known = [plain(part) for part in parts]
    if not _SITES.isdisjoint(known):
        return "/".join([SITE, *parts[min(known.index(site) for site in _SITES & {*known}) + 1 :]])
    if known[0] == "local" and len(parts) > 1:  # Debian's scheme (https://github.com/pypa/pip/issues/10978)
        parts, known = parts[1:], known[1:]
    if _LIBRARIES.fullmatch(known[0]):
        known[0] = parts[0] = "lib"
    elif known[0] in {"bin", "scripts"}:
        parts[0] = PROGRAMS
    elif known[0] == "include":
        parts[0] = "include"
        if known[1:2] == ["site"]:  # of virtual environments
            parts, known = ["include", *parts[2:]], ["include", *known[2:]]
    if known[0] in {"lib", "include"} and len(parts) > 1 and _VERSION.fullmatch(known[1]):
        parts[1] = "python3"
    return "/".join(parts)


def _place_problems(name: str, path: str, project: str, roots: Collection[str]) -> Iterator[str]:
    is_data = plain(name.partition("/")[0]).endswith(".data")
    scheme = name.split("/")[1] if is_data and "/" in name else ""
    parts = [plain(part) for part in path.removesuffix("/").split("/")]
    if scheme == "data" and _is_below(path, SITE):
        yield "would be installed into site-packages by another path"
    if any(map(_is_metadata, _judged(parts, scheme, roots))):
        yield "would be taken for the metadata of another distribution"
    if scheme in {"purelib", "platlib"} and plain(name.split("/")[2]).endswith(".data") and name.count("/") > 2:  # noqa: PLR2004
        yield "is in another data folder than its own"
    if path.startswith("lib/python3/") and not _is_below(path, SITE):
        yield "would take the place of the Python that it is installed for"
    if parts[0] == "lib" and len(parts) == 2 and _PYTHON_LIBRARY.fullmatch(parts[1]):  # noqa: PLR2004  lib and its file
        yield "would take the place of the Python that it is installed for"
    if path.startswith(f"{_HEADERS}/") and canonicalize_name(path.removesuffix("/").split("/")[2]) != project:
        yield "would be installed among the headers of another project, or of Python"
    if len(parts) == 1 and parts[0] in _PIP_SETTINGS:
        yield "would be the settings of pip where it is installed"


def _judged(parts: Sequence[str], scheme: str, roots: Collection[str]) -> Iterator[str]:
    """Return the parts of an installed path that must not have the name of metadata.

    Among modules, these are the parts in a folder that Python looks in; deeper folders are the project's own. Elsewhere
    every part counts: ``pip install --target`` makes the environment itself such a folder.
    """
    if scheme in {"data", "scripts", "headers"}:
        yield from parts
    path = "/".join(parts)
    for root in roots:
        above = f"{root}/" if root else ""
        if path.startswith(above):
            yield path.removeprefix(above).partition("/")[0]


def _is_metadata(part: str) -> bool:
    return part.endswith(_METADATA) or part.startswith(_EDITABLE)


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")
