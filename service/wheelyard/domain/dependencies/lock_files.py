"""Read lock files whose entries have markers: pylock.toml (PEP 751) and poetry.lock."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from packaging.markers import Marker
from packaging.pylock import Package, Pylock, PylockValidationError
from packaging.utils import NormalizedName, canonicalize_name

from wheelyard.domain.dependencies.files import (
    APPLICATION,
    Dependencies,
    InputKind,
    MarkedPin,
    Origin,
    Pin,
    PinList,
    Selection,
    Skipped,
    WantedFile,
    WantedSource,
    read_requires_python,
    why_left,
)
from wheelyard.domain.dependencies.sources import read_poetry_git, read_pylock_vcs, shown_address
from wheelyard.domain.untrusted.file_names import read_hash, read_project_name
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.requirements import read_marker
from wheelyard.domain.untrusted.toml_text import NotTomlError, read_toml
from wheelyard.domain.untrusted.versions import check_specifiers, read_version
from wheelyard.errors import DependencyFileInvalidError, GitSourceInvalidError

_TABLE: Final = re.compile(r"\[\[packages?\]\]\s*(#.*)?")
_MAIN: Final = canonicalize_name("main")
_VCS_FIELDS: Final = ("type", "url", "requested-revision", "commit-id", "subdirectory")
_NO_COMMIT: Final = "it comes from a version control repository that cannot be used"


def load_toml(text: str, *, file: str) -> dict[str, Any]:
    """Parse TOML; raise DependencyFileInvalidError."""
    try:
        return read_toml(text)
    except NotTomlError as error:
        raise DependencyFileInvalidError(file=file, problems=[f"it is not TOML: {error}"]) from error
    except RefusedTextError as error:
        raise DependencyFileInvalidError(file=file, problems=[str(error)]) from error


def package_origins(text: str, *, file: str) -> Iterator[Origin]:
    """Yield the place of each package's table, in order; without a line after the last one."""
    for number, line in enumerate(text.splitlines(), start=1):
        if _TABLE.fullmatch(line.strip()):
            yield Origin(file=file, line=number)
    while True:
        yield Origin(file=file)


def read_pylock(text: str, *, file: str, selection: Selection) -> Dependencies:
    """Read a pylock.toml; raise DependencyFileInvalidError or SelectionUnknownError."""
    try:
        lock = Pylock.from_dict(load_toml(text, file=file))
        _check_pylock(lock)
    except (PylockValidationError, RefusedTextError) as error:
        raise DependencyFileInvalidError(file=file, problems=[str(error)]) from error
    selection.check(
        file, extras=_names(lock.extras), groups=_names(lock.dependency_groups) | _names(lock.default_groups)
    )
    entries: list[MarkedPin] = []
    others: list[WantedSource | WantedFile | Skipped] = []
    for package, origin in zip(lock.packages, package_origins(text, file=file), strict=False):
        if package.vcs is not None:
            others.append(_pylock_commit(package, origin))
        elif package.archive is not None and (archive := _pylock_file(package, origin)) is not None:
            others.append(archive)
        elif (reason := _why_not_from_an_index(package)) or package.version is None:
            reason = reason or "it has no version"
            wanted = package.directory is None
            others.append(Skipped(origin=origin, text=package.name, reason=reason, is_wanted=wanted))
        else:
            pin = Pin(
                project=package.name, version=package.version, origin=origin, hashes=frozenset(_pylock_hashes(package))
            )
            entries.append(MarkedPin(pin=pin, marker=package.marker))
    groups = selection.groups | (_names(lock.default_groups) if selection.default_groups else frozenset())
    values = {"extras": frozenset(map(str, selection.extras)), "dependency_groups": frozenset(map(str, groups))}
    sources = tuple(one for one in others if isinstance(one, WantedSource | WantedFile))
    skipped = tuple(one for one in others if isinstance(one, Skipped))
    locked = PinList(entries=tuple(entries), lock_values=values, wanted_sources=sources)
    return Dependencies(kind=InputKind.PYLOCK, lock=locked, skipped=skipped, requires_python=lock.requires_python)


def _check_pylock(lock: Pylock) -> None:
    """Check that the lock which packaging parsed can be used; raise RefusedTextError."""
    if lock.requires_python is not None:
        check_specifiers(lock.requires_python)
    for package in lock.packages:
        read_project_name(package.name)
        tuple(_pylock_hashes(package))
        if package.version is not None:
            read_version(str(package.version))
        if package.marker is not None:
            read_marker(str(package.marker))


def _names(names: Iterable[str] | None) -> frozenset[NormalizedName]:
    return frozenset(map(canonicalize_name, names or ()))


def _pylock_commit(package: Package, origin: Origin) -> WantedSource | Skipped:
    vcs = package.vcs
    fields = {} if vcs is None else {name: getattr(vcs, name.replace("-", "_")) for name in _VCS_FIELDS}
    try:
        source, commit = read_pylock_vcs(fields, project=package.name)
    except GitSourceInvalidError as error:
        return Skipped(origin=origin, text=package.name, reason=f"{_NO_COMMIT}: {error.reason}")
    return WantedSource(source=source, origin=origin, text=package.name, marker=package.marker, commit=commit)


def _pylock_file(package: Package, origin: Origin) -> WantedFile | None:
    """Return the file of an entry at an address; None if the entry does not say which release it is of."""
    archive = package.archive
    digest = None if archive is None else archive.hashes.get("sha256")
    if archive is None or digest is None or package.version is None:
        return None
    hashes = frozenset({read_hash(f"sha256:{digest}")})
    return WantedFile(
        project=package.name,
        version=package.version,
        hashes=hashes,
        address=archive.url or "",
        origin=origin,
        text=package.name,
        marker=package.marker,
    )


def _why_not_from_an_index(package: Package) -> str | None:
    if package.directory is not None:
        place = shown_address(package.directory.path)
        return APPLICATION if place in {".", "./"} else why_left(place)
    if package.archive is not None:
        return "it is an archive at an address of its own, not a release on the index"
    return None


def _pylock_hashes(package: Package) -> Iterator[str]:
    files = (*(package.wheels or ()), *((package.sdist,) if package.sdist else ()))
    for file in files:
        if digest := file.hashes.get("sha256"):
            yield read_hash(f"sha256:{digest}")


def read_poetry_lock(
    text: str, *, file: str, selection: Selection, project: str | None = None, files_url: str = ""
) -> Dependencies:
    """Read a poetry.lock: the main group, the selected groups, and those that Poetry installs by default.

    Format 2.1 lists the groups and the marker of each package. Older formats list neither, so every package that is
    not optional is included. The pyproject.toml beside the lock, whose text is ``project``, has the optional groups.
    A package with a URL below ``files_url`` was served by our index when the lock was written.
    Raise DependencyFileInvalidError or SelectionUnknownError.
    """
    lock = load_toml(text, file=file)
    wanted = _poetry_optionals(lock, selection)
    packages = lock.get("package")
    if not isinstance(packages, list):
        raise DependencyFileInvalidError(file=file, problems=["it has no packages as Poetry writes them"])
    groups = _poetry_groups(packages)
    selection.check(file, extras=_names(lock.get("extras", {})), groups=groups)
    selection = _with_poetry_groups(selection, groups, project)
    entries: list[MarkedPin] = []
    sources: list[WantedSource | WantedFile] = []
    skipped: list[Skipped] = []
    for package, origin in zip(packages, package_origins(text, file=file), strict=False):
        try:
            entry = _poetry_entry(package, origin, selection, wanted, files_url)
        except (KeyError, TypeError, AttributeError, RefusedTextError) as error:
            problem = f"{origin}: not a package as Poetry writes it ({type(error).__name__}: {error})"
            raise DependencyFileInvalidError(file=file, problems=[problem]) from error
        if isinstance(entry, Skipped):
            skipped.append(entry)
        elif isinstance(entry, WantedSource | WantedFile):
            sources.append(entry)
        elif entry is not None:
            entries.append(entry)
    metadata = lock.get("metadata")
    return Dependencies(
        kind=InputKind.POETRY_LOCK,
        lock=PinList(entries=tuple(entries), wanted_sources=tuple(sources)),
        skipped=tuple(skipped),
        requires_python=read_requires_python(metadata.get("python-versions") if isinstance(metadata, dict) else None),
    )


def _poetry_groups(packages: Iterable[Mapping[str, Any]]) -> frozenset[NormalizedName]:
    """Return the groups of all packages; the lock has no other list of them."""
    return frozenset({_MAIN}).union(*(_names(package.get("groups")) for package in packages))


def _with_poetry_groups(selection: Selection, groups: frozenset[NormalizedName], project: str | None) -> Selection:
    """Return the selection with what ``poetry sync`` installs by default: every group that is not optional.

    https://python-poetry.org/docs/managing-dependencies/#optional-groups
    """
    defaults = groups - _optional_groups(project) if selection.default_groups else frozenset()
    return replace(selection, groups=selection.groups | defaults | {_MAIN})


def _optional_groups(project: str | None) -> frozenset[NormalizedName]:
    try:
        tables = read_toml(project or "").get("tool", {}).get("poetry", {}).get("group", {})
        return _names(name for name, table in tables.items() if table.get("optional") is True)
    except (RefusedTextError, AttributeError):
        return frozenset()


def _poetry_optionals(lock: Mapping[str, Any], selection: Selection) -> frozenset[str]:
    """Return the optional packages of the selected extras."""
    extras = {canonicalize_name(extra): names for extra, names in lock.get("extras", {}).items()}
    texts = (text for extra in selection.extras for text in extras.get(extra, ()))
    return frozenset(canonicalize_name(re.split(r"[^\w.\-]", text, maxsplit=1)[0]) for text in texts)


def _poetry_entry(
    package: Mapping[str, Any], origin: Origin, selection: Selection, optionals: frozenset[str], files_url: str
) -> MarkedPin | WantedSource | WantedFile | Skipped | None:
    name = read_project_name(package["name"])
    groups = {canonicalize_name(group) for group in package.get("groups", ["main"])}
    if not groups & selection.groups:
        return None
    if package.get("optional") and groups == {_MAIN} and name not in optionals:
        return None
    source = package.get("source", {}).get("type", "legacy")
    is_ours = source == "url" and bool(files_url) and str(package["source"].get("url", "")).startswith(files_url)
    if source not in {"legacy", "pypi"} and not is_ours:
        return _poetry_source(package, name, origin, selection)
    hashes = frozenset(read_hash(entry["hash"]) for entry in package.get("files", ()))
    pin = Pin(project=name, version=read_version(package["version"]), origin=origin, hashes=hashes)
    return MarkedPin(pin=pin, marker=_poetry_marker(package.get("markers"), selection))


def _poetry_source(
    package: Mapping[str, Any], name: NormalizedName, origin: Origin, selection: Selection
) -> WantedSource | WantedFile | Skipped:
    """Return the commit, the file or the folder that a package comes from."""
    kind = package["source"]["type"]
    hashes = frozenset(read_hash(entry["hash"]) for entry in package.get("files", ()))
    if kind == "git":
        return _poetry_commit(package, name, origin, selection)
    if kind == "directory":
        place = shown_address(str(package["source"].get("url", "")))
        return Skipped(origin=origin, text=name, reason=why_left(place), is_wanted=False)
    if kind != "url" or not hashes:
        return Skipped(origin=origin, text=name, reason=f"it comes from a {kind}, not from the index")
    return WantedFile(
        project=name,
        version=read_version(package["version"]),
        hashes=hashes,
        address=str(package["source"].get("url", "")).partition("#")[0],
        origin=origin,
        text=name,
        marker=_poetry_marker(package.get("markers"), selection),
    )


def _poetry_commit(
    package: Mapping[str, Any], name: str, origin: Origin, selection: Selection
) -> WantedSource | Skipped:
    try:
        source, commit = read_poetry_git(package["source"], project=name)
    except GitSourceInvalidError as error:
        return Skipped(origin=origin, text=name, reason=f"{_NO_COMMIT}: {error.reason}")
    marker = _poetry_marker(package.get("markers"), selection)
    return WantedSource(source=source, origin=origin, text=name, marker=marker, commit=commit)


def _poetry_marker(markers: str | Mapping[str, str] | None, selection: Selection) -> Marker | None:
    """Return the markers of the selected groups, joined by "or"."""
    if markers is None or isinstance(markers, str):
        return read_marker(markers) if markers else None
    texts = [text for group, text in markers.items() if canonicalize_name(group) in selection.groups]
    if not texts or not all(texts):
        return None
    return read_marker(" or ".join(f"({text})" for text in texts))
