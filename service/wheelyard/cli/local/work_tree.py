"""What git knows of a folder: its files without the ignored ones, its commit if nothing changed, its nearest tag."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SECONDS: Final = 60
_SAFE: Final = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "core.quotePath=false")
_MOST_NESTED: Final = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkTree:
    """A folder in a work tree of git."""

    files: tuple[str, ...]
    """The tracked files that exist, and new ones that are not ignored, as paths below the folder."""
    commit: str | None
    """The commit, if no file of the folder differs from it and there are no new ones."""
    tag: str | None
    """The nearest tag."""
    absent: tuple[str, ...] = ()
    """Submodules that are not checked out."""


class GitUnusableError(Exception):
    """The folder is in a work tree, and git cannot say what is in it."""


def read_work_tree(folder: Path) -> WorkTree | None:
    """Return what git knows of a folder; None if it is in no work tree, or ignored there.

    Raises GitUnusableError.
    """
    if not any((place / ".git").exists() for place in (folder, *folder.parents)):
        return None
    absent: list[str] = []
    files = tuple(sorted(set(_list_files(folder, absent, depth=0))))
    if not files:
        return None
    changed = _ask(folder, "status", "--porcelain", "--untracked-files=normal", "--ignore-submodules=none", "--", ".")
    commit = _first(folder, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    tag = _first(folder, "describe", "--tags", "--abbrev=0")
    return WorkTree(files=files, commit=None if changed else commit, tag=tag, absent=tuple(absent))


def _list_files(folder: Path, absent: list[str], *, depth: int) -> Iterator[str]:
    """Yield the files below a folder, those of submodules and of repositories inside of it included.

    Submodules that are not checked out are added to ``absent``: git would answer there for the repository around.
    """
    if depth > _MOST_NESTED:
        raise GitUnusableError(f"repositories are nested in one another at {folder}")
    listed = _ask(folder, "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", ".")
    for name in os.fsdecode(listed).split("\0"):
        path = folder / name
        if not name or not os.path.lexists(path):
            continue
        if not path.is_dir() or path.is_symlink():
            yield name
        elif (path / ".git").exists():
            inner = name.rstrip("/")
            yield from (f"{inner}/{one}" for one in _list_files(path, absent, depth=depth + 1))
        else:
            absent.append(name)


def _first(folder: Path, *arguments: str) -> str | None:
    """Return the first line of an answer; None if git has none."""
    try:
        lines = _ask(folder, *arguments).decode(errors="replace").splitlines()
    except GitUnusableError:
        return None
    return lines[0].strip() if lines else None


def _ask(folder: Path, *arguments: str) -> bytes:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            ["git", *_SAFE, *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_SECONDS,
        )
    except FileNotFoundError as error:
        raise GitUnusableError("git is not installed") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GitUnusableError(str(error)) from error
    if done.returncode != 0:
        raise GitUnusableError(" ".join(done.stderr.decode(errors="replace").split())[:300])
    return done.stdout
