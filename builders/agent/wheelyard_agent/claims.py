"""Compare what a wheel claims with what its native files are: its tags, their names and their search paths.

What Python could never use is a lie (``fatal``). What only suggests one is told as a warning, because wheels rightly
carry test data, libraries for other platforms and modules for other versions of Python.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from wheelyard_agent.audit import glibc_of, newest_symbols
from wheelyard_agent.elf import ModulePlace, installed_member, module_place
from wheelyard_agent.elf_file import ElfFile, read_elf
from wheelyard_agent.free_threading import GilUse, gil_use

Version = tuple[int, int]
StableSymbols = Mapping[str, Version]
"""The Python that added each symbol to the stable ABI."""

_MOST_LIES = 100
_SHOWN = 5
_PLATFORM = re.compile(r"(?:many|musl)?linux(?:1|2010|2014|_\d+_\d+)?_(\w+)")
_SUFFIX = re.compile(r"\.cpython-(\d)(\d+)([a-z]*)(?:-(.+))?")
_STABLE_ABIS = frozenset({"abi3", "abi3t"})
_FREE_THREADED = re.compile(r"cp3\d+t")
_CPYTHON = re.compile(r"cp(\d)(\d*)")
_HOST_LIBRARY = re.compile(
    r"(?:lib(?:c|m|dl|rt|util|pthread|gcc_s|stdc\+\+|python3[\w.]*)|ld-linux[\w-]*)\.so(?:\.\d+)*"
)
_MUSL = re.compile(r"(?:libc\.musl-|ld-musl-)[\w-]+\.so\.1")
_PYTHON_SYMBOL = re.compile(r"_?Py[A-Z_]\w*")
_EXAMPLES = frozenset({"test", "tests", "testing", "testdata", "test_data", "data", "fixtures", "samples", "examples"})
# Bits, byte order and e_machine of each architecture of platform tags (the processor supplements of the ELF gABI).
_MACHINES = {
    "x86_64": (64, "<", 62),
    "i686": (32, "<", 3),
    "aarch64": (64, "<", 183),
    "armv7l": (32, "<", 40),
    "armv6l": (32, "<", 40),
    "ppc64le": (64, "<", 21),
    "s390x": (64, ">", 22),
    "riscv64": (64, "<", 243),
    "loongarch64": (64, "<", 258),
}
_TRIPLETS = {"i686": "i386", "armv7l": "arm", "armv6l": "arm", "ppc64le": "powerpc64le"}
_MACHINE_NAMES = {3: "i386", 21: "ppc64", 22: "s390", 40: "ARM", 62: "x86-64", 183: "AArch64", 243: "RISC-V"}
_MACH_O = (b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")


_NOT_NATIVE = ElfFile(bits=0, order="", machine=0, damage="it is no native code, whatever its name says")


class Tags(NamedTuple):
    """The compatibility tags of a wheel's file name."""

    interpreters: tuple[str, ...]
    abis: tuple[str, ...]
    platforms: tuple[str, ...]

    @classmethod
    def of(cls, filename: str) -> Tags:
        """Split the tags of a file name."""
        interpreters, abis, platforms = filename.removesuffix(".whl").split("-")[-3:]
        return cls(tuple(interpreters.split(".")), tuple(abis.split(".")), tuple(platforms.split(".")))

    @property
    def architecture(self) -> str | None:
        """Return the one architecture of all its platforms; None if there is no such, or it is not known."""
        found = {match[1] if (match := _PLATFORM.fullmatch(one)) else None for one in self.platforms}
        only = found.pop() if len(found) == 1 else None
        return only if only in _MACHINES else None

    @property
    def musl_platforms(self) -> tuple[str, ...]:
        """Return the platforms with musl's libc."""
        return tuple(one for one in self.platforms if one.startswith("musllinux_"))

    @property
    def is_general(self) -> bool:
        """Return whether it claims every Python of a major version."""
        return self.abis == ("none",) and all(one.startswith("py") for one in self.interpreters)

    @property
    def stable_abi_floor(self) -> Version | None:
        """Return the oldest Python of a stable ABI's tag."""
        if _STABLE_ABIS.isdisjoint(self.abis):
            return None
        found = [match for one in self.interpreters if (match := _CPYTHON.fullmatch(one))]
        return min(((int(one[1]), int(one[2] or 2)) for one in found), default=None)  # PEP 384 came with Python 3.2

    def import_suffix(self, tag: str) -> bool:
        """Return whether the Pythons that it names import files whose names have this tag."""
        match = _SUFFIX.fullmatch(tag)
        if match is None or self.is_general or not any(_CPYTHON.fullmatch(one) for one in self.interpreters):
            return True
        python = f"cp{match[1]}{match[2]}"
        return python in self.interpreters and not {"none", f"{python}{match[3]}"}.isdisjoint(self.abis)

    def name_of_platform(self, tag: str) -> str | None:
        """Return the platform in a file name's tag if it is another than the wheel's."""
        match = _SUFFIX.fullmatch(tag)
        if match is None or match[4] is None or self.architecture is None:
            return None
        wanted = _TRIPLETS.get(self.architecture, self.architecture)
        return None if match[4].partition("-")[0] == wanted and "linux" in match[4] else match[4]


class NativeFile(NamedTuple):
    """A member that is native code, for whatever platform."""

    member: str
    place: ModulePlace | None
    """As what Python would import it; None if it does not, or it is no extension module."""
    elf: ElfFile | None
    """None for a file of another platform's format."""
    format: str
    """``ELF``, ``Mach-O`` or ``PE``."""
    gil: GilUse | None = None
    """Why a free-threaded Python that imports it switches its GIL on."""

    @property
    def platform_name(self) -> str:
        """Return the platform that loads it, in words."""
        if self.elf is None:
            return {"Mach-O": "macOS", "PE": "Windows"}[self.format]
        return f"{self.elf.bits}-bit {_MACHINE_NAMES.get(self.elf.machine, f'machine {self.elf.machine}')}"

    @property
    def name(self) -> str:
        """Return its name without folders."""
        return self.member.rpartition("/")[2]

    @property
    def is_example(self) -> bool:
        """Return whether it is in a folder of tests or of data."""
        return not _EXAMPLES.isdisjoint(part.lower() for part in Path(self.member).parent.parts)

    def strange_to(self, tags: Tags) -> str:
        """Return for which other platform it is; empty if it is for that of the tags, or nobody knows."""
        if self.elf is None:
            return f"it is a {self.format} file, which Linux does not load"
        built_for = (self.elf.bits, self.elf.order, self.elf.machine)
        if tags.architecture is None or self.elf is _NOT_NATIVE or _MACHINES[tags.architecture] == built_for:
            musl = next(filter(_MUSL.fullmatch, self.elf.needed), None)
            is_for_glibc = any(glibc_of(one) for one in tags.platforms) and not tags.musl_platforms
            return f"it links to {musl}, which hosts with glibc lack" if musl and is_for_glibc else ""
        machine = _MACHINE_NAMES.get(self.elf.machine, f"machine {self.elf.machine}")
        return f"it is a {self.elf.bits}-bit ELF file for {machine}, and the tag says {tags.architecture}"


def check_claims(wheel: Path) -> list[dict[str, Any]]:
    """Return the lies of a wheel file, with ``kind``, ``subject``, ``detail`` and ``fatal`` each; fatal ones first."""
    files = read_natives(wheel)
    with zipfile.ZipFile(wheel) as bundle:
        names = bundle.namelist()
    return find_lies(Tags.of(wheel.name), files, names, stable=_stable_symbols() if files else {})


def read_natives(wheel: Path) -> list[NativeFile]:
    """Return the native files of a wheel."""
    with zipfile.ZipFile(wheel) as bundle:
        return [file for name in bundle.namelist() if (file := _read_member(bundle, name)) is not None]


def _read_member(bundle: zipfile.ZipFile, name: str) -> NativeFile | None:
    """Read a member whole only if its first bytes say that it is native code."""
    with bundle.open(name) as file:
        start = file.read(4)
        return read_native(name, start + file.read() if _format_of(start) else start)


def _format_of(start: bytes) -> str:
    """Return the format of native code by its first four bytes; empty for anything else."""
    if start == b"\x7fELF":
        return "ELF"
    if start in _MACH_O:
        return "Mach-O"
    return "PE" if start.startswith(b"MZ") else ""


def read_native(member: str, data: bytes) -> NativeFile | None:
    """Return a native file by its content; None if it is something else, and no extension module by its name."""
    kind, elf, place = _format_of(data[:4]), read_elf(data), module_place(member)
    if not kind or (kind == "ELF" and elf is None):
        # Such as an empty file, or the pointer that Git LFS leaves where it is not installed.
        return NativeFile(member, place, _NOT_NATIVE, "") if place is not None and place.tag else None
    if place is not None and not place.is_entered(data):
        # Setuptools tags everything that it compiles, but what is damaged may have lost the name.
        place = place if place.tag and elf and (elf.damage or elf.no_library) else None
    gil = gil_use(data, elf, place.module) if place is not None and elf is not None else None
    return NativeFile(member, place, elf, kind, gil)


def find_lies(
    tags: Tags, files: Sequence[NativeFile], names: Iterable[str], *, stable: StableSymbols
) -> list[dict[str, Any]]:
    """Return the lies about native files.

    Args:
        tags: those of the wheel's file name.
        files: its native files.
        names: its members.
        stable: the symbols of the stable ABI.
    """
    installed = frozenset(map(installed_member, names))
    found = [
        *_damaged(tags, files),
        *_for_others(tags, files),
        *_libraries_for_others(tags, files),
        *_misnamed(tags, files, installed),
        *_too_general(tags, files, installed, stable),
        *_beyond_stable_abi(tags, files, stable),
        *_not_free_threaded(tags, files),
        *_search_paths(files, installed),
        *_insecure(files),
    ]
    return sorted(found, key=lambda one: not one["fatal"])[:_MOST_LIES]


def policy_lies(
    filename: str, audit: Mapping[str, Any], needed_by: Mapping[str, Sequence[str]]
) -> list[dict[str, Any]]:
    """Return what auditwheel's report shows to be false.

    Args:
        filename: the wheel's file name.
        audit: the report of ``auditwheel show --json``.
        needed_by: the members that need each library, by its soname.
    """
    found = []
    for tag in false_platforms(filename, audit):
        needs = f"it needs {', '.join(sorted(newest_symbols(audit))[:_SHOWN]) or 'libraries that no policy promises'}"
        found.append(lie("tag-too-old", tag, f"{needs}, so it complies with {audit['overall_tag']}", fatal=False))
    for name, path in sorted(audit["external_libs"].items()):
        if path is None:
            who = ", ".join(list(needed_by.get(name, ()))[:_SHOWN]) or "it"
            found.append(lie("library-not-promised", name, f"{who} needs it; it is neither in the wheel nor here"))
    return found


def false_platforms(filename: str, audit: Mapping[str, Any]) -> list[str]:
    """Return the manylinux tags of a file name that promise an older glibc than the wheel needs."""
    true = glibc_of(audit["overall_tag"])
    claims = ((tag, glibc_of(tag)) for tag in Tags.of(filename).platforms)
    return [tag for tag, claim in claims if claim and (true is None or claim.version < true.version)]


def lie(kind: str, subject: str, detail: str, *, fatal: bool = True) -> dict[str, Any]:
    """Return a false claim as the report has it; a fatal one fails the job."""
    return {"kind": kind, "subject": subject[:200], "detail": detail[:500], "fatal": fatal}


def _damaged(tags: Tags, files: Sequence[NativeFile]) -> Iterator[dict[str, Any]]:
    """A damaged file matters if Python imports it, or another file of the wheel links to it."""
    loaded = _loaded(tags, files)
    for file in files:
        if file.elf is None:
            continue
        is_used = file.member in loaded and not file.is_example
        if damage := file.elf.damage or (file.elf.no_library if is_used else ""):
            yield lie("elf-corrupt", file.member, damage, fatal=is_used)
        elif file.place is not None and file.place.tag and is_used and file.elf.knows_symbols:
            entries = [name.decode() for name in file.place.entry_points]
            if not any(entry in file.elf.provided for entry in entries):
                damage = f"its text has {' or '.join(entries)}, which Python calls, and its symbol table has not"
                yield lie("elf-corrupt", file.member, damage)


def loaded_members(wheel: Path) -> frozenset[str]:
    """Return the native members of a wheel that Python imports, or that another one of them links to."""
    return _loaded(Tags.of(wheel.name), read_natives(wheel))


def _loaded(tags: Tags, files: Sequence[NativeFile]) -> frozenset[str]:
    """A library counts only if no whole file has its name too, such as the one beside a copy for debuggers."""
    linked = {name for file in files if file.elf for name in file.elf.needed}
    whole = {file.name for file in files if file.elf and not (file.elf.damage or file.elf.no_library)}
    return frozenset(
        file.member
        for file in files
        if (file.place is not None and _is_imported(tags, file.place))
        or (file.name in linked and file.name not in whole)
    )


def _modules(files: Sequence[NativeFile]) -> dict[str, list[tuple[NativeFile, ModulePlace]]]:
    """Return the extension modules by name; a name can have several files, each for another Python or platform."""
    found: dict[str, list[tuple[NativeFile, ModulePlace]]] = defaultdict(list)
    for file in files:
        if file.place is not None:
            found[file.place.module].append((file, file.place))
    return found


def _is_imported(tags: Tags, place: ModulePlace) -> bool:
    return tags.import_suffix(place.tag) and tags.name_of_platform(place.tag) is None


def _fits(tags: Tags, file: NativeFile, place: ModulePlace) -> bool:
    return not file.strange_to(tags) and _is_imported(tags, place)


def _for_others(tags: Tags, files: Sequence[NativeFile]) -> Iterator[dict[str, Any]]:
    """A file for another platform is a lie under a name that Python imports here, or if there is nothing else."""
    modules = _modules(files)
    fitting = {
        place.module.rpartition(".")[2] for all_ in modules.values() for file, place in all_ if _fits(tags, file, place)
    }
    is_any_right = bool(fitting)
    for variants in modules.values():
        if tags.platforms == ("any",) or any(_fits(tags, file, place) for file, place in variants):
            continue
        for file, place in variants:
            named = tags.name_of_platform(place.tag)
            detail = file.strange_to(tags) or (f"its name is for {named}" if named else "")
            if detail:
                # One of several folders, each for another platform: the project chooses among them.
                is_chosen = place.module.rpartition(".")[2] in fitting
                fatal = not (file.is_example or is_chosen) and (_is_imported(tags, place) or not is_any_right)
                yield lie("foreign-platform", file.member, detail, fatal=fatal)


def _libraries_for_others(tags: Tags, files: Sequence[NativeFile]) -> Iterator[dict[str, Any]]:
    """A library of another machine is a lie if the wheel's own files link to it, and it has no other of that name."""
    linked = {name for file in files if file.elf and not file.strange_to(tags) for name in file.elf.needed}
    usable = {file.name for file in files if not file.strange_to(tags)}
    for file in files:
        if file.name in linked - usable:
            yield lie("foreign-platform", file.member, f"{file.strange_to(tags)}; other files of the wheel link to it")


def _misnamed(tags: Tags, files: Sequence[NativeFile], installed: frozenset[str]) -> Iterator[dict[str, Any]]:
    modules = _modules(files)
    is_any_right = any(_fits(tags, file, place) for variants in modules.values() for file, place in variants)
    for variants in modules.values():
        if any(tags.import_suffix(place.tag) for _, place in variants):
            continue
        for file, place in variants:
            if file.strange_to(tags) or tags.name_of_platform(place.tag) is not None:
                continue
            claimed = f"{'.'.join(tags.interpreters)}-{'.'.join(tags.abis)}"
            detail = f"Python imports it as {place.tag.lstrip('.')} only, and the tag says {claimed}"
            # It may be an accelerator for one Python beside a stable module.
            is_extra = is_any_right and not _STABLE_ABIS.isdisjoint(tags.abis)
            fatal = not (file.is_example or is_extra or _has_source(file, place, installed))
            yield lie("abi-tag-mismatch", file.member, detail, fatal=fatal)


def _has_source(file: NativeFile, place: ModulePlace, installed: frozenset[str]) -> bool:
    """Return whether Python imports a source file where the extension module cannot be imported (mypyc, Cython)."""
    path = installed_member(file.member)
    return path.removesuffix(f"{place.tag}.so") + ".py" in installed


def _too_general(
    tags: Tags, files: Sequence[NativeFile], installed: frozenset[str], stable: StableSymbols
) -> Iterator[dict[str, Any]]:
    if not tags.is_general:
        return
    claimed = f"the tag says every Python ({'.'.join(tags.interpreters)}-none)"
    provided = _provided(files)
    for variants in _modules(files).values():
        for file, place in variants:
            match = _SUFFIX.fullmatch(place.tag)
            uses = [name for name in _python_symbols(file) if name not in provided]
            if file.elf is None or not (match or uses):
                continue
            is_bound = match is not None or (place.tag == "" and any(name not in stable for name in uses))
            fatal = is_bound and len(variants) == 1 and not file.is_example and not _has_source(file, place, installed)
            only = f"CPython {match[1]}.{match[2]}" if match else "CPython"
            yield lie("tag-too-general", file.member, f"it is a module for {only}, and {claimed}", fatal=fatal)


def _provided(files: Sequence[NativeFile]) -> frozenset[str]:
    """Return the symbols with names like Python's that the wheel's own files have."""
    return frozenset(name for file in files if file.elf for name in file.elf.provided)


def _python_symbols(file: NativeFile) -> list[str]:
    return sorted(filter(_PYTHON_SYMBOL.fullmatch, file.elf.required)) if file.elf else []


def _beyond_stable_abi(tags: Tags, files: Sequence[NativeFile], stable: StableSymbols) -> Iterator[dict[str, Any]]:
    """The rules of abi3audit, but for symbols that may be missing, or that another file of the wheel provides.

    Where the wheel's own tag names one Python, a module with the stable ABI's name works there with any symbol.
    """
    floor = tags.stable_abi_floor
    provided = _provided(files)
    if not stable or (floor and floor > max(stable.values())):
        return  # nothing is known of so new a Python
    for variants in _modules(files).values():
        for file, place in variants:
            if place.tag != ".abi3" and not (place.tag == "" and floor):
                continue
            uses = [name for name in _python_symbols(file) if name not in provided]
            foreign = [f"{name} (not in the stable ABI)" for name in uses if name not in stable]
            newer = [
                f"{name} (since {_dotted(stable[name])})" for name in uses if floor and stable.get(name, floor) > floor
            ]
            if foreign or newer:
                # A library of another project, such as libshiboken, may have symbols with names like Python's.
                is_certain = bool(newer) or all(map(_HOST_LIBRARY.fullmatch, file.elf.needed if file.elf else ()))
                claimed = f"the stable ABI of Python {_dotted(floor)}" if floor else "the stable ABI"
                detail = f"its tag or name promises {claimed}, and it needs {_listed([*foreign, *newer])}"
                yield lie(
                    "abi3-violated", file.member, detail, fatal=floor is not None and is_certain and not file.is_example
                )


def _not_free_threaded(tags: Tags, files: Sequence[NativeFile]) -> Iterator[dict[str, Any]]:
    """A module that has the GIL switched on takes from all of a process what the tag promises."""
    if not any(_FREE_THREADED.fullmatch(one) for one in tags.abis):
        return
    for file in files:
        if file.place is not None and file.gil is not None and _is_imported(tags, file.place):
            detail = f"Python switches its GIL on when it imports this: {file.gil.reason}"
            # Under a tag for other ABIs too, a module of the stable ABI may know only at run time where it is.
            fatal = file.gil.is_certain and len(tags.abis) == 1 and not file.is_example
            yield lie("gil-enabled", file.member, detail, fatal=fatal)


def _dotted(version: Version) -> str:
    return f"{version[0]}.{version[1]}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _search_paths(files: Sequence[NativeFile], installed: frozenset[str]) -> Iterator[dict[str, Any]]:
    """A search path outside of the wheel may find a stranger's library, or none; repair and proof judge the rest."""
    folders = {
        name: {posixpath.dirname(one) for one in installed if posixpath.basename(one) == name}
        for name in {needed for file in files if file.elf for needed in file.elf.needed}
    }
    for file in files:
        if file.elf is None:
            continue
        here = posixpath.dirname(installed_member(file.member))
        inside = []
        for entry in file.elf.search_paths:
            place, problem = _resolve(entry, here)
            if problem:
                yield lie("rpath-invalid", file.member, f"its search path {entry!r} {problem}", fatal=False)
            inside.append(place)
        lost = [name for name in file.elf.needed if folders[name] and folders[name].isdisjoint(inside)]
        if inside and lost:
            where = ", ".join(sorted(folders[lost[0]]))
            detail = f"its search path does not lead to {lost[0]}, which is in {where or 'the top folder'}"
            yield lie("rpath-invalid", file.member, detail, fatal=False)


def kept_search_paths(file: NativeFile, names: Iterable[str], promised: Collection[str]) -> tuple[str, ...] | None:
    """Return the search paths of a file without those that are wrong; None if all are right, or one may be needed.

    Args:
        file: a native file of a wheel.
        names: the wheel's members.
        promised: libraries that are on every host; each other one that it links to must be found without wrong ones.
    """
    if file.elf is None or file.elf.damage:
        return None
    installed = frozenset(map(installed_member, names))
    places = [_resolve(entry, posixpath.dirname(installed_member(file.member))) for entry in file.elf.search_paths]
    if not any(problem for _, problem in places):
        return None
    kept = [place for place, problem in places if not problem]
    lacking = [name for name in file.elf.needed if name not in promised]
    if not all(any(posixpath.join(place, name) in installed for place in kept) for name in lacking):
        return None
    return tuple(entry for entry, (_, problem) in zip(file.elf.search_paths, places, strict=True) if not problem)


def _resolve(entry: str, here: str) -> tuple[str, str]:
    """Return the folder of a search path's entry, relative to the folder of modules, and what is wrong with it."""
    rest = re.sub(r"^\$(?:ORIGIN|\{ORIGIN\})(?=/|$)", "", entry)
    if entry.startswith("/"):
        return entry, "is a folder of the machine that it was built on"
    if rest == entry:
        return entry, "depends on the folder in which a program is started"
    place = posixpath.normpath(posixpath.join(here, rest.lstrip("/")))
    if place == ".." or place.startswith("../"):
        return place, "leaves the folder in which the wheel is installed"
    return ("" if place == "." else place), ""


def _insecure(files: Sequence[NativeFile]) -> Iterator[dict[str, Any]]:
    for file in files:
        if file.elf and file.elf.has_executable_stack:
            detail = "it asks for an executable stack, which hardened hosts and glibc 2.41 refuse"
            yield lie("executable-stack", file.member, detail, fatal=False)
        if file.elf and file.elf.has_text_relocations:
            detail = "its code is changed when it is loaded (text relocations), which hardened hosts refuse"
            yield lie("text-relocations", file.member, detail, fatal=False)


def _stable_symbols() -> StableSymbols:
    from abi3info import DATAS, FUNCTIONS

    known = {**FUNCTIONS, **DATAS}
    return {symbol.name: (one.added.major, one.added.minor) for symbol, one in known.items()}
