"""Compare a wheel with another one of the same release, and with the sdist that both should come from.

Everything here was read from files of strangers: names are shown as they are, quoted by whoever prints them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, Self

_INFO: Final = re.compile(r"[^/]+\.dist-info/(.*)")
_DATA: Final = re.compile(r"[^/]+\.data/(?:platlib|purelib)/")
_GRAFTED: Final = re.compile(r"[^/]+\.libs/|[^/]+/\.dylibs/")
_NATIVE: Final = re.compile(r".*\.(?:so(?:\.[0-9.]+)?|pyd|dll|dylib)")
_EXTENSION: Final = re.compile(r"(?P<name>[A-Za-z_]\w*)(?:\.[\w-]+)*\.(?:so|pyd)", re.ASCII)
_COMPILED: Final = re.compile(r"(.*?)(?:__pycache__/)?([^/]+?)(?:\.cpython-\d+t?(?:\.opt-\d)?)?\.pyc")
_MADE_BY_BACKEND: Final = frozenset({"RECORD", "WHEEL", "RECORD.jws", "RECORD.p7s", "INSTALLER", "direct_url.json"})
_LICENSES: Final = ("licenses/", "license_files/", "LICENSE", "LICENCE", "COPYING", "NOTICE", "AUTHORS")
_SHOWN_VALUES: Final = 5


class DifferenceKind(StrEnum):
    """In what two wheels differ."""

    NOWHERE = "file-from-nowhere"
    """A file that is neither in the other wheel nor in the sdist."""
    LOST = "file-missing"
    """A file that only the other wheel has."""
    CHANGED = "file-changed"
    MODULES = "other-modules"
    """Modules that only one of them lets Python import."""
    ENTRY_POINTS = "other-entry-points"
    REQUIREMENTS = "other-requirements"
    METADATA = "other-metadata"
    STARTUP = "start-up-code"
    """Something that Python runs at each of its starts, in one of them only."""
    ARCHIVE = "archive"
    """How the zip file was written: order, times, modes, compression."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One difference, in words for a person who decides what it means."""

    kind: DifferenceKind
    name: str
    """The file, module or field."""
    text: str
    """A sentence, without the name."""
    is_explained: bool
    """True if two honest builds of the same source differ in this, too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WheelFacts:
    """What is compared of a wheel."""

    filename: str
    sha256: str
    """Of the file, in hexadecimal."""
    members: Mapping[str, str]
    """The sha256 of each member's content, by its path; of a program without its first line if that is ``#!python``,
    which installers replace."""
    metadata: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The fields of METADATA that installers act upon, by their names there."""
    entry_points: frozenset[str] = frozenset()
    """Each as ``group: name = object``."""
    startup: frozenset[str] = frozenset()
    """The members that Python runs at each of its starts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SdistFacts:
    """What is compared of an sdist."""

    filename: str
    files: Mapping[str, str]
    """The sha256 of each file, by its path below the top folder; empty if the file is too large to be read."""
    programs: frozenset[str] = frozenset()
    """The sha256 of each Python program without its first line, which backends replace by ``#!python``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """A wheel beside another one of its release, and the sdist."""

    wheel: str
    other: str | None
    """The file name of the other wheel; None if there is none."""
    sdist: str | None
    identical_files: int
    is_identical: bool
    """True if the two wheels have the same bytes."""
    differences: tuple[Difference, ...]

    @property
    def unexplained(self) -> tuple[Difference, ...]:
        """What a person should look at."""
        return tuple(one for one in self.differences if not one.is_explained)

    def with_reasons(self, reasons: Sequence[Difference]) -> Self:
        """Return it with what is known of the bytes that differ, in place of the mere fact that they do."""
        known = {one.name for one in reasons}
        kept = [one for one in self.differences if one.kind is not DifferenceKind.CHANGED or one.name not in known]
        return replace(self, differences=(*reasons, *kept))


def compare_wheels(
    wheel: WheelFacts, other: WheelFacts | None, sdist: SdistFacts | None, *, same_builder: bool = False
) -> Comparison:
    """Compare a wheel with another one, and with the sdist; at least one of both must be there.

    Args:
        wheel: the wheel in question.
        other: another wheel of the same release, such as upstream's own.
        sdist: the source that both should come from.
        same_builder: whether both must have the same bytes, as two builds of one service must: then no difference is
            explained.
    """
    found: list[Difference] = []
    if other is not None:
        found += _of_modules(wheel, other)
        found += _of_fields(wheel, other)
    found += _of_startup(wheel, other)
    found += _of_files(wheel, other, sdist)
    if same_builder:
        found = [replace(one, is_explained=False) for one in found]
    same = [path for path, digest in wheel.members.items() if other is not None and other.members.get(path) == digest]
    return Comparison(
        wheel=wheel.filename,
        other=other.filename if other else None,
        sdist=sdist.filename if sdist else None,
        identical_files=len(same),
        is_identical=other is not None and wheel.sha256 == other.sha256,
        differences=tuple(sorted(found, key=lambda one: (one.is_explained, one.kind, one.name))),
    )


def _of_modules(wheel: WheelFacts, other: WheelFacts) -> Iterator[Difference]:
    ours, theirs = ({name for path in one.members if (name := module_of(path))} for one in (wheel, other))
    for names, text in ((ours - theirs, "only this wheel has it"), (theirs - ours, "only the other wheel has it")):
        for name in sorted(names):
            yield Difference(kind=DifferenceKind.MODULES, name=name, text=text, is_explained=False)


def _of_fields(wheel: WheelFacts, other: WheelFacts) -> Iterator[Difference]:
    for name in sorted(wheel.metadata.keys() | other.metadata.keys()):
        ours, theirs = wheel.metadata.get(name, ()), other.metadata.get(name, ())
        if sorted(ours) == sorted(theirs):
            continue
        # A license of a grafted library is a fact of this wheel alone.
        is_license = name.startswith("License")
        is_installed_by = name in {"Requires-Dist", "Requires-Python", "Provides-Extra"}
        kind = DifferenceKind.REQUIREMENTS if is_installed_by else DifferenceKind.METADATA
        yield Difference(kind=kind, name=name, text=_in_values(ours, theirs), is_explained=is_license)
    added, lost = wheel.entry_points - other.entry_points, other.entry_points - wheel.entry_points
    for names, text in ((added, "only this wheel has it"), (lost, "only the other wheel has it")):
        for name in sorted(names):
            yield Difference(kind=DifferenceKind.ENTRY_POINTS, name=name, text=text, is_explained=False)


def _in_values(ours: Sequence[str], theirs: Sequence[str]) -> str:
    added = [one for one in ours if one not in theirs]
    lost = [one for one in theirs if one not in ours]
    parts = [
        f"{title} has {', '.join(values[:_SHOWN_VALUES])}{f' and {more} more' if more > 0 else ''}"
        for title, values in (("this wheel", added), ("the other", lost))
        if values
        for more in (len(values) - _SHOWN_VALUES,)
    ]
    return "; ".join(parts) or "they are not equally often there"


def _of_startup(wheel: WheelFacts, other: WheelFacts | None) -> Iterator[Difference]:
    known = other.startup if other is not None else frozenset[str]()
    for names, text in (
        (wheel.startup - known, "Python runs it at each of its starts, and the other wheel has none such"),
        (known - wheel.startup, "Python runs it at each of its starts, in the other wheel only"),
    ):
        for name in sorted(names):
            text = text if other is not None else "Python runs it at each of its starts"  # noqa: PLW2901
            yield Difference(kind=DifferenceKind.STARTUP, name=name, text=text, is_explained=False)


def _of_files(wheel: WheelFacts, other: WheelFacts | None, sdist: SdistFacts | None) -> Iterator[Difference]:
    source = _Source(sdist)
    theirs = other.members if other is not None else {}
    their_modules = {name for path in theirs if (name := module_of(path))}
    for path, digest in wheel.members.items():
        if path not in theirs:
            yield from _added(path, digest, their_modules, source, has_other=other is not None)
        elif theirs[path] != digest:
            yield _changed(path, digest, theirs[path], source)
        elif source.is_known and _of_info(path) is None and not _is_native(path) and not source.has_bytes(digest):
            # Two files from different builds tell that the build makes it; one file beside itself tells nothing.
            text = "the sdist does not have it; both wheels do"
            is_explained = other is not None and wheel.sha256 != other.sha256
            yield Difference(kind=DifferenceKind.NOWHERE, name=path, text=text, is_explained=is_explained)
    our_modules = {name for path in wheel.members if (name := module_of(path))}
    for path in theirs:
        if path not in wheel.members and _is_lost(path, our_modules):
            text = "only the other wheel has this file"
            is_explained = bool(_of_info(path)) or bool(_GRAFTED.match(path))
            yield Difference(kind=DifferenceKind.LOST, name=path, text=text, is_explained=is_explained)


def _is_lost(path: str, modules: set[str]) -> bool:
    """Return whether a file that only the other wheel has says more than the difference of modules does."""
    name = module_of(path)
    return name is None or (name in modules and not _NATIVE.fullmatch(path))


def _is_native(path: str) -> bool:
    return bool(_NATIVE.fullmatch(path) or _GRAFTED.match(path))


class _Source:
    """The files of an sdist, found by the paths that they have in wheels."""

    def __init__(self, sdist: SdistFacts | None) -> None:
        self.is_known = sdist is not None
        self._by_end: dict[str, list[tuple[str, str]]] = {}
        self._digests = {*sdist.files.values(), *sdist.programs} - {""} if sdist is not None else set[str]()
        for path, digest in (sdist.files if sdist is not None else {}).items():
            self._by_end.setdefault(path.rpartition("/")[2], []).append((path, digest))

    def digests_of(self, path: str) -> set[str]:
        """Return the contents that the sdist has below the same path, in whatever folder that begins."""
        plain = _DATA.sub("", path)
        return {
            digest
            for known, digest in self._by_end.get(plain.rpartition("/")[2], ())
            if known == plain or known.endswith(f"/{plain}")
        }

    def has_bytes(self, digest: str) -> bool:
        """Return whether any file of the sdist has this content, whatever its name."""
        return digest in self._digests


def _added(path: str, digest: str, modules: set[str], source: _Source, *, has_other: bool) -> Iterator[Difference]:
    """Yield what a file means that the other wheel lacks."""
    name, info = module_of(path), _of_info(path)
    where = "the other wheel and the sdist" if has_other and source.is_known else "the other wheel"
    where = where if has_other else "the sdist"
    if info is not None:
        is_ours = info in _MADE_BY_BACKEND or info.startswith(("sboms/", *_LICENSES)) or not has_other
        if has_other:
            text = "only this wheel has this file of its metadata"
            yield Difference(kind=DifferenceKind.METADATA, name=path, text=text, is_explained=is_ours)
    elif _GRAFTED.match(path):
        text = "a library that was copied into this wheel"
        yield Difference(kind=DifferenceKind.NOWHERE, name=path, text=text, is_explained=True)
    elif source.has_bytes(digest):
        if has_other and name is None:
            text = "the sdist has it, and the other wheel leaves it out"
            yield Difference(kind=DifferenceKind.NOWHERE, name=path, text=text, is_explained=True)
    elif _NATIVE.fullmatch(path) and (name in modules or not has_other):
        if has_other:
            text = "compiled under another name than in the other wheel"
            yield Difference(kind=DifferenceKind.CHANGED, name=path, text=text, is_explained=True)
    elif source.digests_of(path):
        text = "the sdist has a file of this name with another content"
        yield Difference(kind=DifferenceKind.CHANGED, name=path, text=text, is_explained=False)
    elif (compiled := _COMPILED.fullmatch(path)) and source.digests_of(f"{compiled[1]}{compiled[2]}.py"):
        text = "byte code that Python made of a file of the sdist"
        yield Difference(kind=DifferenceKind.NOWHERE, name=path, text=text, is_explained=True)
    else:
        text = f"it is not in {where}"
        yield Difference(kind=DifferenceKind.NOWHERE, name=path, text=text, is_explained=False)


def _changed(path: str, digest: str, theirs: str, source: _Source) -> Difference:
    """Return what it means that a file has another content than in the other wheel."""
    info = _of_info(path)
    if info is not None:
        text, is_explained = "the metadata differ", info in {*_MADE_BY_BACKEND, "METADATA"}
        if info in {"METADATA", "entry_points.txt"}:
            text, is_explained = "it differs; what installers read in it is compared field by field", True
        elif info.startswith(_LICENSES):
            text = "another text of a license"
    elif _NATIVE.fullmatch(path):
        text, is_explained = "machine code of another compilation", True
    elif source.has_bytes(digest):
        text, is_explained = "it is the sdist's file; the other wheel has another content", True
    elif source.has_bytes(theirs):
        text, is_explained = "the other wheel has the sdist's file, and this one has not", False
    elif source.digests_of(path):
        text, is_explained = "both wheels have another content than the sdist", False
    else:
        text, is_explained = "it differs, and the sdist does not have it: each build made its own", False
    return Difference(kind=DifferenceKind.CHANGED, name=path, text=text, is_explained=is_explained)


def _of_info(path: str) -> str | None:
    """Return a path below the wheel's metadata folder; None for another file."""
    match = _INFO.fullmatch(path)
    return match[1] if match else None


def module_of(path: str) -> str | None:
    """Return the importable name of a member that is a module; None for any other file."""
    if _of_info(path) is not None or _GRAFTED.match(path):
        return None
    *folders, file = _DATA.sub("", path).split("/")
    if file.endswith(".py"):
        name = file.removesuffix(".py")
    elif match := _EXTENSION.fullmatch(file):
        name = match["name"]
    else:
        return None
    if not all(part.isidentifier() for part in (*folders, name)) or any(one.endswith(".data") for one in folders):
        return None
    parts = [*folders, name]
    if parts[-1] == "__init__" and folders:
        parts.pop()
    return ".".join(parts)
