"""Which crates a project in Rust needs: from the manifests in its sdist to a plan of what is fetched.

The manifests are untrusted. Must not fetch, and must not run cargo.
"""

import hashlib
import json
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Final, Self

from wheelyard.domain.cargo_manifest import Manifest, check_lock, read_manifest

MANIFEST: Final = "Cargo.toml"
LOCK: Final = "Cargo.lock"
_MAX_FILES: Final = 500
_MAX_PATH: Final = 400


@dataclass(frozen=True, kw_only=True, slots=True)
class CratePlan:
    """What is given to cargo so that it fetches crates."""

    files: tuple[tuple[str, str], ...]
    """Path and text of each manifest and lock file."""
    packages: tuple[str, ...]
    """Folders of the manifests that are packages: cargo wants a source file in each."""
    roots: tuple[str, ...]
    """Manifests to fetch for, each the root of its workspace."""
    unlocked: tuple[str, ...]
    """Those of the roots that have no lock file."""

    def key(self, *, image: str) -> str:
        """Identify what is fetched, and by which image: a sha256 in hexadecimal."""
        return hashlib.sha256(json.dumps([image, self.files, self.roots]).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class CrateSources:
    """The manifests and lock files of an sdist, by path."""

    texts: Mapping[str, str]

    @classmethod
    def of(cls, texts: Mapping[str, str]) -> Self:
        """Take what a container sent; raises ValueError for a path that no sdist can have."""
        if len(texts) > _MAX_FILES:
            raise ValueError(f"it has {len(texts)} Cargo manifests, and {_MAX_FILES} are allowed")
        for path in texts:
            if not _is_plain(path):
                raise ValueError(f"{path[:200]!r} is not the path of a Cargo manifest")
        return cls(texts=texts)

    def manifest(self, path: str) -> Manifest:
        """Read one manifest; raises ValueError with the reason and the path."""
        try:
            return read_manifest(self.texts[path])
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    def lock_of(self, manifest: str) -> str | None:
        """Give the path of the lock file beside a manifest."""
        path = _beside(manifest, LOCK)
        return path if path in self.texts else None

    def manifests(self) -> list[str]:
        """List the manifests' paths."""
        return sorted(path for path in self.texts if path.endswith(MANIFEST))


def plan_crates(texts: Mapping[str, str], *, named: Sequence[str] = ()) -> CratePlan:
    """Decide what to fetch for an sdist.

    Args:
        texts: Its manifests and lock files, by path.
        named: The manifests that its build backend is told to build.

    Raises:
        ValueError: with the reason, if that cannot be fetched safely.
    """
    sources = CrateSources.of(texts)
    roots = sorted(_roots(sources, named))
    needed = dict(_closure(sources, roots))
    locks = [lock for root in roots if (lock := sources.lock_of(root))]
    for lock in locks:
        _check_lock(lock, sources.texts[lock])
    files = {path: manifest.text() for path, manifest in needed.items()} | {path: texts[path] for path in locks}
    return CratePlan(
        files=tuple(sorted(files.items())),
        packages=tuple(sorted(posixpath.dirname(path) for path, found in needed.items() if found.has_package)),
        roots=tuple(roots),
        unlocked=tuple(root for root in roots if sources.lock_of(root) is None),
    )


def _roots(sources: CrateSources, named: Sequence[str]) -> set[str]:
    """Choose the workspaces: of what the backend names, else the sdist's own, the locked ones, the outermost ones."""
    known = sources.manifests()
    if chosen := [path for path in named if path in known]:
        return {_root_of(sources, path) for path in chosen}
    if MANIFEST in known:
        return {MANIFEST}
    if locked := [path for path in known if sources.lock_of(path)]:
        return set(locked)
    depth = min((path.count("/") for path in known), default=0)
    return {path for path in known if path.count("/") == depth}


def _root_of(sources: CrateSources, manifest: str) -> str:
    """Find the workspace of a manifest as cargo does, upwards; a lock file tells one, too."""
    for folder in PurePosixPath(manifest).parents:
        path = str(folder / MANIFEST)
        if path in sources.texts and (sources.lock_of(path) or sources.manifest(path).is_workspace):
            return path
    return manifest


def _closure(sources: CrateSources, roots: Sequence[str]) -> Iterator[tuple[str, Manifest]]:
    """Yield the roots, the members of their workspaces, and all that they reach by path."""
    seen = set(roots)
    waiting = list(roots)
    while waiting:
        path = waiting.pop()
        manifest = sources.manifest(path)
        yield path, manifest
        fresh = {*_members(sources, path, manifest), *_path_dependencies(sources, path, manifest)} - seen
        seen |= fresh
        waiting.extend(sorted(fresh))


def _members(sources: CrateSources, path: str, manifest: Manifest) -> Iterator[str]:
    patterns = [_inside(path, member) for member in manifest.workspace_list("members")]
    excluded = [_inside(path, folder) for folder in manifest.workspace_list("exclude")]
    for other in sources.manifests():
        folder = posixpath.dirname(other)
        if any(_matches(folder, pattern) for pattern in patterns) and folder not in excluded:
            yield other


def _path_dependencies(sources: CrateSources, path: str, manifest: Manifest) -> Iterator[str]:
    for folder in manifest.paths:
        other = posixpath.join(_inside(path, folder), MANIFEST)
        if other not in sources.texts:
            raise ValueError(f"{path}: it depends on the folder {folder}, which the sdist does not have")
        yield other


def _inside(manifest: str, folder: str) -> str:
    """Resolve a folder that a manifest names; raises ValueError if it is outside of the sdist."""
    path = posixpath.normpath(_beside(manifest, folder))
    if posixpath.isabs(folder) or path.split("/")[0] == "..":
        raise ValueError(f"{manifest}: the folder {folder} is outside of the sdist")
    return "" if path == "." else path


def _matches(folder: str, pattern: str) -> bool:
    parts, wanted = folder.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def _beside(path: str, name: str) -> str:
    return posixpath.join(posixpath.dirname(path), name)


def _is_plain(path: str) -> bool:
    parts = path.split("/")
    return (
        parts[-1] in {MANIFEST, LOCK}
        and len(path) <= _MAX_PATH
        and not any(part in {"", ".", ".."} or "\0" in part for part in parts)
    )


def _check_lock(path: str, text: str) -> None:
    try:
        check_lock(text)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
