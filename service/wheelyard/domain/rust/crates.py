"""Plan which crates to fetch for a Rust project, from the manifests in its sdist.

The manifests are untrusted. Each is read once, and folders, patterns and characters are limited, far beyond
any real project, so that the plan takes a few steps for each of them.
"""

import hashlib
import json
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Final, Self

from wheelyard.domain.rust.cargo_manifest import Manifest, check_lock, read_manifest
from wheelyard.domain.untrusted.toml_text import read_toml

MANIFEST: Final = "Cargo.toml"
LOCK: Final = "Cargo.lock"
_MAX_FILES: Final = 500
_MAX_PATH: Final = 400
_MAX_FOLDERS: Final = 1000
"""Members, excluded folders and path dependencies that one manifest may name."""
_MAX_PATTERNS: Final = 50
"""Patterns with wildcards in all manifests together: each is compared with each folder."""
_LOCK_KEYS: Final = 3
_WILDCARDS: Final = re.compile(r"[*?\[]")


@dataclass(frozen=True, kw_only=True, slots=True)
class CratePlan:
    """The input for ``cargo vendor``."""

    files: tuple[tuple[str, str], ...]
    """Path and text of each manifest and lock file."""
    packages: tuple[str, ...]
    """Folders of manifests with a package: cargo requires a source file in each."""
    roots: tuple[str, ...]
    """Manifests to fetch for, each the root of its workspace."""
    unlocked: tuple[str, ...]
    """Roots without a lock file."""

    def key(self, *, image: str) -> str:
        """Return the cache key of what is fetched with an image: a sha256 in hexadecimal."""
        return hashlib.sha256(json.dumps([image, self.files, self.roots]).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class CrateSources:
    """The manifests and lock files of an sdist, by path."""

    texts: Mapping[str, str]
    read: dict[str, Manifest] = field(default_factory=dict)
    """Parsed manifests, by path."""
    patterns: set[tuple[str, str]] = field(default_factory=set)
    """Patterns with wildcards seen so far, each with its manifest."""

    @classmethod
    def of(cls, texts: Mapping[str, str]) -> Self:
        """Return the checked files that a container sent; raise ValueError for a path that no sdist can have."""
        if len(texts) > _MAX_FILES:
            raise ValueError(f"it has {len(texts)} Cargo manifests, and {_MAX_FILES} are allowed")
        for path in texts:
            if not _is_plain(path):
                raise ValueError(f"{path[:200]!r} is not the path of a Cargo manifest")
        return cls(texts=texts)

    def manifest(self, path: str) -> Manifest:
        """Return a parsed manifest, from the cache if possible; raise ValueError with the path and the reason."""
        if path not in self.read:
            try:
                self.read[path] = read_manifest(self.texts[path])
                _refuse_many(self.read[path])
            except ValueError as error:
                raise ValueError(f"{path}: {error}") from error
        return self.read[path]

    def folders_like(self, manifest: str, pattern: str) -> Iterator[str]:
        """Yield the folders with a manifest that match a pattern of a workspace; raise ValueError."""
        path = _inside(manifest, pattern)
        if _WILDCARDS.search(pattern) is None:
            yield path
            return
        self.patterns.add((manifest, path))
        if len(self.patterns) > _MAX_PATTERNS:
            raise ValueError(f"its workspaces have more than {_MAX_PATTERNS} patterns with wildcards")
        wanted = path.split("/")
        for parts in map(_parts_of, self.manifests()):
            if len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted)):
                yield "/".join(parts)

    def lock_of(self, manifest: str) -> str | None:
        """Return the path of the lock file beside a manifest; None if there is none."""
        path = _beside(manifest, LOCK)
        return path if path in self.texts else None

    def manifests(self) -> list[str]:
        """Return the paths of the manifests."""
        return [path for path in sorted(self.texts) if path.endswith(MANIFEST)]


def plan_crates(texts: Mapping[str, str], *, named: Sequence[str] = ()) -> CratePlan:
    """Return the plan of what to fetch for an sdist.

    Args:
        texts: Its manifests and lock files, by path.
        named: The manifests that the build backend builds.

    Raises:
        ValueError: It cannot be fetched safely; the text is the reason.
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


def locked_crates(files: Sequence[tuple[str, str]]) -> tuple[tuple[str, str, str], ...]:
    """Return name, version and sha256 of each crate that lock files name; raise ValueError.

    Crates without a checksum are folders of the sdist itself.
    """
    found = set[tuple[str, str, str]]()
    for path, text in files:
        packages = read_toml(text).get("package", []) if path.rpartition("/")[2] == LOCK else []
        for one in packages if isinstance(packages, list) else []:
            facts = tuple(one.get(key) for key in ("name", "version", "checksum")) if isinstance(one, dict) else ()
            if len(facts) == _LOCK_KEYS and all(isinstance(fact, str) and len(fact) <= _MAX_PATH for fact in facts):
                found.add(facts)  # type: ignore[arg-type]
    return tuple(sorted(found))


def _roots(sources: CrateSources, named: Sequence[str]) -> set[str]:
    """Return the roots: the backend's manifests, else the sdist's top one, else locked ones, else the outermost."""
    known = sources.manifests()
    if chosen := set(named) & set(known):
        return {_root_of(sources, path) for path in chosen}
    if MANIFEST in known:
        return {MANIFEST}
    if locked := [path for path in known if sources.lock_of(path)]:
        return set(locked)
    depth = min((path.count("/") for path in known), default=0)
    return {path for path in known if path.count("/") == depth}


def _root_of(sources: CrateSources, manifest: str) -> str:
    """Return the workspace of a manifest, searched upwards as cargo does; a lock file also marks one."""
    for folder in PurePosixPath(manifest).parents:
        path = str(folder / MANIFEST)
        if path in sources.texts and (sources.lock_of(path) or sources.manifest(path).is_workspace):
            return path
    return manifest


def _closure(sources: CrateSources, roots: Sequence[str]) -> Iterator[tuple[str, Manifest]]:
    """Yield the roots, the members of their workspaces, and all their path dependencies."""
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
    patterns = manifest.workspace_list("members")
    members = {folder for pattern in patterns for folder in sources.folders_like(path, pattern)}
    excluded = {_inside(path, folder) for folder in manifest.workspace_list("exclude")}
    for folder in sorted(members - excluded):
        other = posixpath.join(folder, MANIFEST)
        if other in sources.texts:
            yield other


def _path_dependencies(sources: CrateSources, path: str, manifest: Manifest) -> Iterator[str]:
    for folder in manifest.paths:
        other = posixpath.join(_inside(path, folder), MANIFEST)
        if other not in sources.texts:
            raise ValueError(f"{path}: it depends on the folder {folder}, which the sdist does not have")
        yield other
    # A source distribution has only those crates of a workspace that its own one takes.
    shared = (posixpath.join(_inside(path, folder), MANIFEST) for folder in manifest.shared_paths)
    yield from (other for other in shared if other in sources.texts)


def _inside(manifest: str, folder: str) -> str:
    """Return the path of a folder that a manifest names; raise ValueError if it is outside of the sdist."""
    path = posixpath.normpath(_beside(manifest, folder))
    if posixpath.isabs(folder) or path.split("/")[0] == "..":
        raise ValueError(f"{manifest}: the folder {folder} is outside of the sdist")
    return "" if path == "." else path


def _parts_of(manifest: str) -> list[str]:
    return posixpath.dirname(manifest).split("/")


def _refuse_many(manifest: Manifest) -> None:
    """Raise ValueError if a manifest names more or longer folders than any real project."""
    folders = (
        *manifest.workspace_list("members"),
        *manifest.workspace_list("exclude"),
        *manifest.paths,
        *manifest.shared_paths,
    )
    if len(folders) > _MAX_FOLDERS:
        raise ValueError(f"it names {len(folders)} folders, and {_MAX_FOLDERS} are allowed")
    if longest := next((folder for folder in folders if len(folder) > _MAX_PATH), None):
        raise ValueError(f"it names a folder of {len(longest)} characters, and {_MAX_PATH} are allowed")


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
