"""Read uv.lock: a graph of releases, followed from the workspace's own projects."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from packaging.markers import Marker
from packaging.utils import NormalizedName, canonicalize_name

from wheelyard.domain.dependencies.files import (
    APPLICATION,
    Dependencies,
    InputKind,
    Origin,
    Pin,
    Selection,
    Skipped,
    WantedFile,
    WantedSource,
    may_hold,
    read_requires_python,
    why_left,
)
from wheelyard.domain.dependencies.lock_files import load_toml, package_origins
from wheelyard.domain.dependencies.sources import read_uv_git, shown_address
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.untrusted.file_names import read_hash, read_project_name
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.requirements import read_marker
from wheelyard.domain.untrusted.toml_text import read_toml
from wheelyard.domain.untrusted.versions import read_version
from wheelyard.errors import DependencyFileInvalidError, GitSourceInvalidError

_OWN: Final = frozenset({"editable", "virtual"})
_DEFAULT_GROUPS: Final = ["dev"]
_GIT: Final = "git"
_ADDRESS: Final = "url"
_FOLDER: Final = "directory"
"""The source of the user's own projects that are not members of the workspace."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Edge:
    """A dependency of one package on another."""

    project: NormalizedName
    version: str | None
    """Only given if the lock has several versions of the project."""
    extras: tuple[NormalizedName, ...]
    marker: Marker | None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Node:
    """One package of the lock."""

    project: NormalizedName
    version: str | None
    source: str
    """The kind of its source."""
    place: str
    """The address or the folder of its source."""
    origin: Origin
    needs: tuple[_Edge, ...]
    extras: Mapping[NormalizedName, tuple[_Edge, ...]]
    groups: Mapping[NormalizedName, tuple[_Edge, ...]]
    hashes: frozenset[str]
    wanted: WantedSource | WantedFile | None
    """The commit or the file that it is, if that can be used."""
    fault: str = ""
    """Why it cannot be used."""

    @property
    def is_own(self) -> bool:
        """Return whether it is one of the workspace's own projects."""
        return self.source in _OWN


@dataclass(frozen=True, kw_only=True, slots=True)
class UvLock:
    """A graph of releases; the target's markers decide which of them are installed."""

    nodes: tuple[_Node, ...]
    selection: Selection

    def pins(self, target: Target) -> tuple[Pin, ...]:
        """Return the releases that the workspace's own projects need on a target, by name."""
        nodes = (node for node in self._reached(target) if not node.is_own and _is_from_an_index(node))
        return tuple(sorted(map(_pin_of, nodes), key=lambda pin: (pin.project, pin.version)))

    def sources(self, target: Target) -> tuple[WantedSource | WantedFile, ...]:
        """Return the commits and files at addresses that the workspace's own projects need on a target."""
        return tuple(node.wanted for node in self._reached(target) if node.wanted is not None)

    def skipped(self) -> Iterator[Skipped]:
        """Yield what is needed on any target but is not from an index, and own projects that stay in their folders."""
        reached = self._reached(None)
        # An application that requires nothing needs no note: there is nothing to install but itself.
        requires = any(not node.is_own for node in reached)
        for node in self.nodes if requires else ():
            if node.source == "editable":
                reason = APPLICATION if node.place == "." else why_left(node.place)
                yield Skipped(origin=node.origin, text=node.project, reason=reason, is_wanted=False)
        for node in reached:
            if not node.is_own and not _is_from_an_index(node) and node.wanted is None:
                is_folder = node.source == _FOLDER
                reason = node.fault or f"it comes from a {node.source}, not from the index"
                reason = why_left(node.place) if is_folder else reason
                yield Skipped(origin=node.origin, text=node.project, reason=reason, is_wanted=not is_folder)

    def _reached(self, target: Target | None) -> list[_Node]:
        """Return what the workspace's own projects reach by the dependencies of a target, or by all of them.

        The dependencies of each node and of each extra are followed once.
        """
        index = _Index(self.nodes)
        reached: dict[tuple[str, str | None], _Node] = {}
        seen: set[tuple[str, str | None, str]] = set()
        waiting = list(self._roots(target))
        while waiting:
            edge = waiting.pop()
            for extra in ("", *edge.extras):
                key = (edge.project, edge.version, extra)
                if key in seen:
                    continue
                seen.add(key)
                for node, needs in index.take(key):
                    reached[node.project, node.version] = node
                    waiting.extend(need for need in needs if _applies(need, target))
        return list(reached.values())

    def _roots(self, target: Target | None) -> Iterator[_Edge]:
        for node in filter(lambda node: node.is_own, self.nodes):
            for edges in (
                node.needs,
                *(edges for extra, edges in node.extras.items() if extra in self.selection.extras),
                *(edges for group, edges in node.groups.items() if group in self.selection.groups),
            ):
                yield from (edge for edge in edges if _applies(edge, target))


class _Index:
    """Finds the nodes of an edge; returns each node and extra only once."""

    def __init__(self, nodes: Iterable[_Node]) -> None:
        self._left: defaultdict[tuple[str, str | None, str], list[_Node]] = defaultdict(list)
        self._given: set[tuple[int, str]] = set()
        for node in nodes:
            for extra in ("", *node.extras):
                for version in dict.fromkeys((node.version, None)):
                    self._left[node.project, version, extra].append(node)

    def take(self, key: tuple[str, str | None, str]) -> Iterator[tuple[_Node, Sequence[_Edge]]]:
        """Yield the nodes of a project, version (None for any) and extra ("" for none) that were not yielded before."""
        extra = key[2]
        for node in self._left.pop(key, ()):
            if (id(node), extra) not in self._given:
                self._given.add((id(node), extra))
                yield node, node.extras[canonicalize_name(extra)] if extra else node.needs


def read_uv_lock(text: str, *, file: str, selection: Selection, project: str | None = None) -> Dependencies:
    """Read a uv.lock; raise DependencyFileInvalidError or SelectionUnknownError.

    The dependencies of the workspace's own projects are wanted, with their selected extras and dependency groups.
    ``uv sync`` also installs the default groups. The pyproject.toml beside the lock has them: its text is
    ``project``. https://docs.astral.sh/uv/concepts/projects/dependencies/#default-groups
    """
    lock = load_toml(text, file=file)
    nodes = _read_nodes(lock, package_origins(text, file=file), file=file)
    own = [node for node in nodes if node.is_own]
    if not own:
        raise DependencyFileInvalidError(file=file, problems=["it has no project of its own to start from"])
    extras = frozenset(name for node in own for name in node.extras)
    selection.check(file, extras=extras, groups=frozenset(name for node in own for name in node.groups))
    if selection.default_groups:
        selection = replace(selection, groups=selection.groups | _default_groups(project))
    walked = UvLock(nodes=nodes, selection=selection)
    return Dependencies(
        kind=InputKind.UV_LOCK,
        lock=walked,
        skipped=tuple(sorted(walked.skipped(), key=lambda one: one.text)),
        requires_python=read_requires_python(lock.get("requires-python")),
    )


def _read_nodes(lock: Mapping[str, Any], origins: Iterator[Origin], *, file: str) -> tuple[_Node, ...]:
    try:
        packages = tuple(_read_node(*one) for one in zip(lock["package"], origins, strict=False))
        return (*_read_manifest(lock.get("manifest", {}), Origin(file=file)), *packages)
    except (KeyError, TypeError, AttributeError, RefusedTextError) as error:
        problem = f"not a lock file as uv writes it ({type(error).__name__}: {error})"
        raise DependencyFileInvalidError(file=file, problems=[problem]) from error


def _read_manifest(manifest: Mapping[str, Any], origin: Origin) -> Iterator[_Node]:
    """Return the groups of a pyproject.toml without a project as a node."""
    if tables := manifest.get("dependency-groups"):
        yield _read_node({"name": "", "source": {"virtual": "."}, "dev-dependencies": tables}, origin)


def _default_groups(project: str | None) -> frozenset[NormalizedName]:
    """Return the groups that uv installs by default: ``dev``, unless the project names others."""
    try:
        document = read_toml(project or "")
        wanted = document.get("tool", {}).get("uv", {}).get("default-groups", _DEFAULT_GROUPS)
        every = list(document.get("dependency-groups", {}))
    except (RefusedTextError, AttributeError, TypeError):
        wanted, every = _DEFAULT_GROUPS, []
    names = every if wanted == "all" else wanted
    return frozenset(canonicalize_name(name) for name in names if isinstance(name, str))


def _applies(edge: _Edge, target: Target | None) -> bool:
    return target is None or may_hold(edge.marker, target)


def _is_from_an_index(node: _Node) -> bool:
    return node.source == "registry" and node.version is not None


def _pin_of(node: _Node) -> Pin:
    return Pin(project=node.project, version=read_version(node.version or ""), origin=node.origin, hashes=node.hashes)


def _read_node(package: Mapping[str, Any], origin: Origin) -> _Node:
    version, metadata = package.get("version"), package.get("metadata", {})
    source = next(iter(package["source"]), "")
    place = package["source"].get(source)
    # The groups of a workspace without a project are in a package without a name.
    is_nameless = package["name"] == "" and source in _OWN
    files = [*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else ())]
    project = canonicalize_name("") if is_nameless else read_project_name(package["name"])
    hashes = frozenset(read_hash(file["hash"]) for file in files if "hash" in file)
    wanted: WantedSource | WantedFile | None
    wanted, fault = _read_commit(project, source, place, origin)
    if source == _ADDRESS and hashes and version is not None:
        wanted = WantedFile(
            project=project,
            version=read_version(version),
            hashes=hashes,
            address=place.partition("#")[0] if isinstance(place, str) else "",
            origin=origin,
            text=project,
        )
    return _Node(
        project=project,
        version=None if version is None else str(read_version(version)),
        source=source,
        place=shown_address(place) if isinstance(place, str) else "",
        origin=origin,
        needs=_read_edges(package.get("dependencies", ())),
        extras=_read_tables(package.get("optional-dependencies", {}), metadata.get("provides-extras", ())),
        groups=_read_tables(package.get("dev-dependencies", {}), metadata.get("requires-dev", ())),
        hashes=hashes,
        wanted=wanted,
        fault=fault,
    )


def _read_commit(project: str, kind: str, place: object, origin: Origin) -> tuple[WantedSource | None, str]:
    """Return the commit that an entry names, or why it cannot be used; neither for another kind of source."""
    if kind != _GIT:
        return None, ""
    try:
        source, commit = read_uv_git(place, project=project)
    except GitSourceInvalidError as error:
        return None, f"it comes from a git repository that cannot be used: {error.reason}"
    return WantedSource(source=source, origin=origin, text=project, commit=commit), ""


def _read_tables(
    tables: Mapping[str, Sequence[Mapping[str, Any]]], empty: Iterable[str]
) -> dict[NormalizedName, tuple[_Edge, ...]]:
    """Return the dependencies of each extra or group; of those that have none the lock only has the name."""
    named: dict[NormalizedName, tuple[_Edge, ...]] = {canonicalize_name(name): () for name in empty}
    return named | {canonicalize_name(name): _read_edges(edges) for name, edges in tables.items()}


def _read_edges(edges: Iterable[Mapping[str, Any]]) -> tuple[_Edge, ...]:
    return tuple(map(_read_edge, edges))


def _read_edge(edge: Mapping[str, Any]) -> _Edge:
    version = edge.get("version")
    return _Edge(
        project=read_project_name(edge["name"]),
        version=None if version is None else str(read_version(version)),
        extras=tuple(canonicalize_name(extra) for extra in edge.get("extra", edge.get("extras", ()))),
        marker=read_marker(edge["marker"]) if "marker" in edge else None,
    )
