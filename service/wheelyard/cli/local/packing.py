"""Pack a project's folder, or open an sdist, to send it. The same content gives the same bytes."""

import gzip
import os
import stat
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BufferedRandom, BufferedReader
from pathlib import Path, PurePosixPath
from typing import Final

from wheelyard.cli.console import format_size
from wheelyard.cli.local.work_tree import GitUnusableError, WorkTree, read_work_tree
from wheelyard.domain.builds.local_source import LocalKind
from wheelyard.domain.untrusted.file_names import find_sdist_name
from wheelyard.errors import LocalSourceInvalidError

_MOST_FILES: Final = 50_000
_MOST_BYTES: Final = 1 << 30
_TOP: Final = "project"
_TIME: Final = 315_532_800
"""1980-01-01. Times of files differ from one checkout to the next."""
_SHOWN_FOLDERS: Final = 3
_SDIST_ENDS: Final = (".tar.gz", ".zip")
_PROJECT_FILES: Final = ("pyproject.toml", "setup.py", "setup.cfg")
_RUBBISH: Final = frozenset(
    {
        *(".git", ".hg", ".svn", ".bzr", ".jj"),
        *(".venv", "venv", "node_modules", "__pycache__", ".tox", ".nox", ".eggs"),
        *(".mypy_cache", ".pytest_cache", ".ruff_cache", ".cache", ".idea", ".DS_Store"),
        *(".env", ".netrc", ".pypirc"),
    }
)
"""What no project consists of, in folders that no git describes."""
_RUBBISH_AT_TOP: Final = frozenset({"build", "dist", "wheelhouse"})
_RUBBISH_ENDS: Final = (".pyc", ".pyo", ".egg-info", ".swp")
_CACHE_SIGNS: Final = ("CACHEDIR.TAG", "pyvenv.cfg")
"""Files that say that their folder can be made again: https://bford.info/cachedir/, PEP 405."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PackedSource:
    """What is sent."""

    kind: LocalKind
    name: str
    file: BufferedReader | BufferedRandom
    """Its bytes; closed by the caller."""
    described: str
    """What it is, for people."""
    commit: str | None = None
    tag: str | None = None
    largest: str = ""
    """The largest parts of a folder, for people; empty for a file."""
    warning: str | None = None


def pack_source(text: str) -> PackedSource:
    """Pack the folder, or open the sdist, that a path means; raise LocalSourceInvalidError."""
    path = Path(text).expanduser()
    try:
        if path.is_dir():
            return _pack_folder(path.resolve(), text)
        if path.is_file():
            return _open_sdist(path, text)
    except OSError as error:
        raise LocalSourceInvalidError(source=text, reason=f"it cannot be read ({error})") from error
    raise LocalSourceInvalidError(source=text, reason="there is no such file or folder", remedy="Check the path.")


def _open_sdist(path: Path, text: str) -> PackedSource:
    if path.name.endswith(".whl"):
        remedy = f"'wheelyard push {text}' uploads it, and 'wheelyard repair {text}' repairs it here."
        raise LocalSourceInvalidError(source=text, reason="it is a wheel already", remedy=remedy)
    if not path.name.endswith(_SDIST_ENDS) or find_sdist_name(path.name) is None:
        raise LocalSourceInvalidError(source=text, reason="its name is not that of an sdist (NAME-VERSION.tar.gz)")
    size = path.stat().st_size
    return PackedSource(
        kind=LocalKind.SDIST,
        name=path.name,
        file=path.open("rb"),
        described=f"sending {path.name}, {format_size(size)}",
    )


def _pack_folder(folder: Path, text: str) -> PackedSource:
    if not any((folder / name).is_file() for name in _PROJECT_FILES):
        files = ", ".join(_PROJECT_FILES[:2])
        raise LocalSourceInvalidError(
            source=text,
            reason=f"it has none of the files of a Python project ({files})",
            remedy="Name the folder that has the project's pyproject.toml.",
        )
    tree, warning = _look_at_git(folder)
    entries = sorted(_entries(folder, _walk(folder) if tree is None else tree.files, text), key=lambda one: one.name)
    largest = _largest_parts(entries)
    size = sum(one.size for one in entries)
    if len(entries) > _MOST_FILES or size > _MOST_BYTES:
        allowed = f"{_MOST_FILES} with {format_size(_MOST_BYTES)} are allowed"
        what = f"it has {len(entries)} files with {format_size(size)}; {allowed}"
        raise LocalSourceInvalidError(
            source=text, reason=f"{what}. {largest}", remedy="Leave out what is no source, for instance in .gitignore."
        )
    file = tempfile.TemporaryFile()  # noqa: SIM115  the caller closes it
    try:
        _write(folder, entries, file, text)
        packed = file.seek(0, os.SEEK_END)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return PackedSource(
        kind=LocalKind.FOLDER,
        name=_plain(folder.name) or _TOP,
        file=file,
        described=f"packed {len(entries)} files of {text}: {format_size(packed)}",
        commit=tree.commit if tree else None,
        tag=tree.tag if tree else None,
        largest=largest,
        warning=warning,
    )


def _look_at_git(folder: Path) -> tuple[WorkTree | None, str | None]:
    try:
        tree = read_work_tree(folder)
    except GitUnusableError as error:
        return None, f"git cannot list the files ({error}): what .gitignore names is sent, too"
    absent = ", ".join(tree.absent[:_SHOWN_FOLDERS]) if tree else ""
    return tree, f"submodules that are not checked out are not sent: {absent}" if absent else None


def _walk(folder: Path) -> Iterator[str]:
    """Yield the files of a folder that no git describes, without what no project consists of."""
    for place, folders, names in os.walk(folder):
        inner = Path(place).relative_to(folder)
        at_top = inner == Path()
        links = [name for name in folders if Path(place, name).is_symlink()]
        folders[:] = [name for name in folders if name not in links and _is_kept(Path(place, name), at_top=at_top)]
        yield from (str(inner / name) for name in (*names, *links) if _is_kept(Path(place, name), at_top=at_top))


def _is_kept(path: Path, *, at_top: bool) -> bool:
    name = path.name
    if name in _RUBBISH or name.endswith(_RUBBISH_ENDS) or (at_top and name in _RUBBISH_AT_TOP):
        return False
    if name.endswith(".so") and (".cpython-" in name or ".abi3." in name):
        return False  # made in place by a build for the sender's own Python
    return not any((path / sign).is_file() for sign in _CACHE_SIGNS)


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    size: int
    is_executable: bool
    link: str | None


def _entries(folder: Path, names: Iterable[str], text: str) -> Iterator[_Entry]:
    """Yield what is packed; raise LocalSourceInvalidError for links out of the folder, and names that are no text."""
    for name in names:
        facts = (folder / name).lstat()
        shown = name.encode(errors="replace").decode()
        if shown != name or any(not one.isprintable() for one in name) or "\\" in name:
            raise LocalSourceInvalidError(
                source=text, reason=f"the name of its file {name!a} has characters that no other system reads"
            )
        if stat.S_ISLNK(facts.st_mode):
            yield _Entry(name, 0, is_executable=False, link=_inner_link(folder, name, text))
        elif stat.S_ISREG(facts.st_mode):
            yield _Entry(name, facts.st_size, is_executable=bool(facts.st_mode & stat.S_IXUSR), link=None)
        # Sockets and pipes are no sources.


def _inner_link(folder: Path, name: str, text: str) -> str:
    """Return the target of a link that stays in the folder, step by step."""
    target = str((folder / name).readlink())
    place = list(PurePosixPath(name).parent.parts)
    inside = not target.startswith("/") and Path(os.path.realpath(folder / name)).is_relative_to(folder)
    for part in PurePosixPath(target).parts:
        if part == "..":
            inside = inside and bool(place)
            place = place[:-1]
        else:
            place.append(part)
    if not inside:
        raise LocalSourceInvalidError(
            source=text,
            reason=f"its link {name} leads out of the folder, to {target}",
            remedy="Only the folder is sent. Replace the link by a copy, or build the folder around both.",
        )
    return target


def _write(folder: Path, entries: Iterable[_Entry], file: BufferedRandom, text: str) -> None:
    """Write a tar archive with fixed order, owners, modes and times."""
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0, compresslevel=6) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        archive.addfile(_member(_TOP, tarfile.DIRTYPE, mode=0o755))
        for entry in entries:
            name = f"{_TOP}/{entry.name}"
            if entry.link is not None:
                member = _member(name, tarfile.SYMTYPE, mode=0o777)
                member.linkname = entry.link
                archive.addfile(member)
                continue
            member = _member(name, tarfile.REGTYPE, mode=0o755 if entry.is_executable else 0o644)
            with (folder / entry.name).open("rb") as stream:
                member.size = os.fstat(stream.fileno()).st_size
                try:
                    archive.addfile(member, stream)
                except OSError as error:  # tarfile says so of a file that became shorter
                    reason = f"{entry.name} changed while it was packed ({error})"
                    raise LocalSourceInvalidError(source=text, reason=reason, remedy="Try again.") from error


def _member(name: str, kind: bytes, *, mode: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.mtime = kind, mode, _TIME
    return member


def _largest_parts(entries: Iterable[_Entry]) -> str:
    """Return the largest files and folders at the top, or one level below where one has nearly all."""
    sizes: Counter[str] = Counter()
    for entry in entries:
        parts = PurePosixPath(entry.name).parts
        sizes["/".join(parts[:2]) + ("/" if len(parts) > 2 else "")] += entry.size  # noqa: PLR2004  (two levels)
    shown = [f"{name} ({format_size(size)})" for name, size in sizes.most_common(_SHOWN_FOLDERS)]
    return f"The largest are {', '.join(shown)}" if shown else ""


def _plain(name: str) -> str:
    """Return a folder's name as one line of text."""
    return "".join(one if one.isprintable() else "-" for one in name.encode(errors="replace").decode())[:200]
