"""Cargo manifests as untrusted data, reduced to what decides which crates to fetch.

A manifest is written anew from the keys that decide which crates are needed. So no build script, profile, target, git
repository or other registry can reach cargo.

Formats: https://doc.rust-lang.org/cargo/reference/manifest.html and .../specifying-dependencies.html
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from wheelyard.domain.untrusted.toml_text import read_toml

Table = Mapping[str, Any]

_KINDS: Final = ("dependencies", "dev-dependencies", "dev_dependencies", "build-dependencies", "build_dependencies")
_DEPENDENCY_KEYS: Final = frozenset(
    {
        *("version", "features", "default-features", "default_features", "optional", "package", "path", "workspace"),
        "public",
    }
)
_ELSEWHERE: Final = {
    "git": "a git repository",
    "registry": "another registry",
    "registry-index": "another registry",
    "base": "a folder that its sdist does not have",
}
_CRATES_IO: Final = "crates.io"
OWN_REGISTRY: Final = (
    f"registry+https://github.com/rust-lang/{_CRATES_IO}-index",
    f"sparse+https://index.{_CRATES_IO}/",
)
"""The names of crates.io in lock files. Cargo writes the first one for every protocol of the registry."""
_PACKAGE_KEYS: Final = ("name", "version", "edition", "rust-version", "resolver", "workspace")
_SHARED_KEYS: Final = ("version", "edition", "rust-version")
_NO_TARGETS: Final = {
    "build": False,
    "autobins": False,
    "autoexamples": False,
    "autotests": False,
    "autobenches": False,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """A manifest, reduced to what decides which crates are needed."""

    document: Table
    paths: tuple[str, ...]
    """Folders of its path dependencies, as it names them."""
    shared_paths: tuple[str, ...] = ()
    """Folders that its workspace offers to its members as dependencies; cargo needs only those that a member takes."""

    @property
    def is_workspace(self) -> bool:
        """Return whether it is the root of a workspace."""
        return "workspace" in self.document

    @property
    def has_package(self) -> bool:
        """Return whether it has a package."""
        return "package" in self.document

    def workspace_list(self, name: str) -> tuple[str, ...]:
        """Return a list of its workspace, such as ``members``; raise ValueError."""
        value = _table(self.document.get("workspace", {}), "workspace").get(name, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ValueError(f"workspace.{name} is not a list of text")
        return tuple(value)

    def text(self) -> str:
        """Return it as TOML."""
        return "".join(f"{_quote(name)} = {_write(value)}\n" for name, value in self.document.items())


def read_manifest(text: str) -> Manifest:
    """Parse and reduce a manifest; raise ValueError with the reason if it is invalid or needs something forbidden."""
    raw = read_toml(text)
    if "replace" in raw:
        raise ValueError("it replaces crates with [replace], and only [patch] is allowed")
    paths: list[str] = []
    shared: list[str] = []
    document = dict(_reduce(raw, paths, shared))
    return Manifest(document=document, paths=tuple(paths), shared_paths=tuple(shared))


def check_lock(text: str) -> None:
    """Raise ValueError if a Cargo.lock has a package that is not from crates.io or has no checksum.

    Cargo would contact any registry that a lock names, and it runs with a network.
    """
    raw = read_toml(text)
    older = _table(raw.get("metadata", {}), "metadata")
    for package in _locked_packages(raw):
        _check_source(_table(package, "package"), older)


def _locked_packages(raw: Table) -> Iterator[object]:
    """Yield all locked packages: old files also have one in ``root``, and patches have their own list."""
    for packages in (raw.get("package", []), _table(raw.get("patch", {}), "patch").get("unused", [])):
        if not isinstance(packages, list):
            raise ValueError("its packages are not a list")  # noqa: TRY004  a broken file, not a wrong call
        yield from packages
    if "root" in raw:
        yield raw["root"]


def _check_source(package: Table, older: Table) -> None:
    name, version, source = package.get("name"), package.get("version"), package.get("source")
    if source is None:
        return
    if not isinstance(source, str) or source not in OWN_REGISTRY:
        kind = "git" if str(source).startswith("git+") else "registry"
        raise ValueError(f"{name} is taken from {_ELSEWHERE[kind]} ({str(source)[:200]})")
    if not package.get("checksum") and not older.get(f"checksum {name} {version} ({source})"):
        raise ValueError(f"{name} {version} has no checksum")


def _reduce(raw: Table, paths: list[str], shared: list[str]) -> Iterator[tuple[str, Table]]:
    """Yield the relevant tables, and collect the folders of path dependencies and of those that a workspace shares."""
    if "package" in raw:
        yield "package", {**_only(_table(raw["package"], "package"), _PACKAGE_KEYS), **_NO_TARGETS}
    if "workspace" in raw:
        yield "workspace", _reduce_workspace(_table(raw["workspace"], "workspace"), shared)
    if "features" in raw:
        yield "features", _table(raw["features"], "features")
    yield from _reduce_dependencies(raw, paths)
    if targets := _table(raw.get("target", {}), "target"):
        yield (
            "target",
            {name: dict(_reduce_dependencies(_table(target, name), paths)) for name, target in targets.items()},
        )
    if patches := _table(raw.get("patch", {}), "patch"):
        yield "patch", {name: _reduce_patch(_table(patch, name), paths) for name, patch in patches.items()}


def _reduce_workspace(raw: Table, paths: list[str]) -> Table:
    shared = {"package": _only(_table(raw["package"], "package"), _SHARED_KEYS)} if "package" in raw else {}
    lists = _only(raw, ("members", "exclude", "resolver"))
    return {**lists, **shared, **dict(_reduce_dependencies(raw, paths))}


def _reduce_dependencies(raw: Table, paths: list[str]) -> Iterator[tuple[str, Table]]:
    for kind in _KINDS:
        if kind in raw:
            entries = _table(raw[kind], kind)
            yield kind, {name: _reduce_dependency(name, entry, paths) for name, entry in entries.items()}


def _reduce_patch(raw: Table, paths: list[str]) -> Table:
    """Return a patch table; a patch may only replace a crate by a folder of the sdist."""
    for name, entry in raw.items():
        if not isinstance(entry, dict) or "path" not in entry:
            raise ValueError(f"it patches {name} with something that is not a folder of its sdist")
    return {name: _reduce_dependency(name, entry, paths) for name, entry in raw.items()}


def _reduce_dependency(name: str, entry: object, paths: list[str]) -> object:
    if isinstance(entry, str):
        return entry
    table = _table(entry, name)
    for key, elsewhere in _ELSEWHERE.items():
        if key in table:
            raise ValueError(f"{name} is taken from {elsewhere} ({str(table[key])[:200]})")
    if "path" in table:
        paths.append(str(table["path"]))
    return {key: value for key, value in table.items() if key in _DEPENDENCY_KEYS}


def _only(table: Table, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: table[name] for name in names if name in table}


def _table(value: object, what: str) -> Table:
    if not isinstance(value, dict):
        raise ValueError(f"{what} is not a table")  # noqa: TRY004  a broken file, not a wrong call
    return value


def _write(value: object) -> str:
    """Return a value as inline TOML, which is allowed at any depth."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _quote(value)
        case int():
            return str(value)
        case list():
            return f"[{', '.join(_write(item) for item in value)}]"
        case dict():
            return f"{{ {', '.join(f'{_quote(key)} = {_write(item)}' for key, item in value.items())} }}"
        case _:
            raise ValueError(f"{str(value)[:50]} is not a value that a dependency can have")


def _quote(text: str) -> str:
    # JSON strings are valid TOML strings, except that TOML requires DEL to be escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
