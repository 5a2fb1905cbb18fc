"""Rewrite a prebuild's lock file so that it installs from our index only.

The index's files of a release replace the lock's files of it, including sdists. Everything else stays: markers, groups,
dependencies, comments and the hash of the project.
"""

import copy
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlsplit

import tomlkit
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version
from tomlkit.exceptions import TOMLKitError

from wheelyard.domain.builds.git_source import GitRequest
from wheelyard.domain.dependencies.files import InputKind, kind_of_file
from wheelyard.domain.dependencies.requirements_file import (
    FileLine,
    FolderLine,
    LineParser,
    NestedFile,
    RequirementLine,
    SourceLine,
    UnusableLine,
    exact_version,
    nested_path,
)
from wheelyard.domain.dependencies.sources import read_poetry_git, read_pylock_vcs, read_uv_git
from wheelyard.domain.packaging.coverage import serves
from wheelyard.domain.packaging.target import Target, python_order, python_version
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.toml_text import check_cost, read_toml
from wheelyard.domain.untrusted.versions import read_version
from wheelyard.errors import DependencyFileInvalidError, GitSourceInvalidError

Release = tuple[NormalizedName, Version]

_HASH: Final = re.compile(r"\s+--hash[=\s]\s*\S+")
_INDEX_OPTION: Final = re.compile(
    r"(?:^|\s)(?:(?:--index-url|--extra-index-url|--find-links|-i|-f)(?:\s*=\s*|\s+)?\S+|--no-index)(?=\s|$)"
)
"""pip's options for the sources of files, with their URL."""
_LEFT_OUT: Final = "pip installs no folder from a file with hashes; install it afterwards, with --no-deps"


@dataclass(frozen=True, kw_only=True, slots=True)
class ServedWheel:
    """A wheel that our index serves."""

    filename: str
    url: str
    """Its URL on our index."""
    sha256: str
    size_bytes: int
    targets: tuple[Target, ...]
    """The prebuild's targets that it serves."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServedReleases:
    """The releases of a prebuild on our index, and the URLs of the index."""

    simple_url: str
    """URL for ``--index-url``."""
    files_url: str
    """Base URL of the files."""
    wheels: Mapping[Release, Sequence[ServedWheel]]
    """Wheels by release; empty for a wanted release that is not served."""
    pythons: Mapping[Release, Sequence[str]]
    """The Pythons that need each release."""
    sources: Mapping[str, Release] = field(default_factory=dict)
    """The releases that were made from commits and files at addresses, by the keys of what asks for them: see
    ``GitOrigin.keys`` and ``FileOrigin.key``."""
    trusted_host: str | None = None
    """The index's host if it has no TLS, so that pip needs ``--trusted-host``."""

    def release_of_file(self, release: Release | None, hashes: Iterable[str]) -> Release | None:
        """Return the release in the place of a file at an address: what was made of it, or its own if that is served.

        Args:
            release: The release that the file is of.
            hashes: ``sha256:…`` of the file.
        """
        made = next((self.sources[one] for one in sorted(hashes) if one in self.sources), None)
        return made or (release if release is not None and self.wheels.get(release) else None)


def lock_to_index(
    kind: InputKind, files: Mapping[str, str], served: ServedReleases, *, start: str, parse_lines: LineParser
) -> dict[str, str]:
    """Return the rewritten files of the lock, by name.

    Args:
        kind: Kind of the first file; a pyproject.toml is not a lock and is returned unchanged.
        files: Texts of the lock file, of those that it names, and of the pyproject.toml beside it if there is one.
        served: The releases on the index.
        start: Name of the first file.
        parse_lines: Parser of a requirements file's lines.

    Raises:
        DependencyFileInvalidError: It is not TOML, or does not have the form of its kind.
    """
    texts = {name: text.replace("\r\n", "\n") if _is_windows(text) else text for name, text in files.items()}
    if kind is InputKind.REQUIREMENTS:
        written = _lock_requirements(texts, served, start, parse_lines)
    else:
        project = texts.get(posixpath.join(posixpath.dirname(start), InputKind.PYPROJECT.value))
        written = {start: _lock_toml(kind, texts[start], served, project, file=start)}
    # New lines get the line ends of the file.
    return {
        name: text.replace("\n", "\r\n") if _is_windows(files.get(name, "")) else text for name, text in written.items()
    }


def is_open(files: Iterable[str], parse_lines: LineParser) -> bool:
    """Return whether requirements files need a resolver: none of them has a hash."""
    lines = (line for text in files for line in parse_lines(text))
    return not any(isinstance(line, RequirementLine) and line.hashes for line in lines)


def _is_windows(text: str) -> bool:
    return "\r\n" in text and "\n" not in text.replace("\r\n", "")


# Requirements


def _lock_requirements(
    texts: Mapping[str, str], served: ServedReleases, start: str, parse_lines: LineParser
) -> dict[str, str]:
    # A pyproject.toml beside them is of a folder that they name.
    texts = {name: text for name, text in texts.items() if kind_of_file(name) is InputKind.REQUIREMENTS}
    if is_open(texts.values(), parse_lines):
        folders = [line for text in texts.values() for line in parse_lines(text) if isinstance(line, FolderLine)]
        return {**texts, start: _pinned(served) + "".join(_left_out(line.text) for line in folders)}
    constraints = _constraint_files(texts, parse_lines)
    return {
        name: _lock_lines(text, served, parse_lines, heads=() if name in constraints else _index_options(served))
        for name, text in texts.items()
    }


def _index_options(served: ServedReleases) -> tuple[str, ...]:
    trust = (f"--trusted-host {served.trusted_host}",) if served.trusted_host else ()
    return (f"--index-url {served.simple_url}", *trust)


def _constraint_files(texts: Mapping[str, str], parse_lines: LineParser) -> set[str]:
    """Return the files that are only constraints, in which pip allows no index options."""
    nested = [
        (nested_path(name, line.name), line.is_constraints)
        for name, text in texts.items()
        for line in parse_lines(text)
        if isinstance(line, NestedFile)
    ]
    requirements = {path for path, is_constraints in nested if not is_constraints}
    return {path for path, is_constraints in nested if is_constraints and path and path not in requirements}


def _pinned(served: ServedReleases) -> str:
    """Return the resolved releases as requirements for pip's ``--require-hashes``."""
    every = {python for pythons in served.pythons.values() for python in pythons}
    lines = [
        _with_hashes(f"{project}=={version}{_marker(served.pythons[project, version], every)}", wheels)
        for (project, version), wheels in sorted(served.wheels.items())
    ]
    return "".join(f"{line}\n" for line in (*_index_options(served), *lines))


def _left_out(text: str) -> str:
    """Return the comment in the place of a folder of the user's own."""
    return f"# {text}  ({_LEFT_OUT})\n"


def _marker(pythons: Iterable[str], every: set[str]) -> str:
    # No marker tells a free-threaded build from the other one, so both of a version share an entry.
    some = sorted({python_version(python) for python in pythons}, key=python_order)
    if set(some) == {python_version(python) for python in every}:
        return ""
    return "; " + " or ".join(f'python_version == "{version}"' for version in some)


def _lock_lines(text: str, served: ServedReleases, parse_lines: LineParser, *, heads: Sequence[str]) -> str:
    lines = text.splitlines(keepends=True)
    # From the end, so that new lines do not move the remaining ones.
    for line in reversed(parse_lines(text)):
        place = slice(line.line - 1, _last_line(lines, line.line - 1) + 1)
        if isinstance(line, UnusableLine) and _INDEX_OPTION.search(_joined(lines[place])):
            left = _INDEX_OPTION.sub("", _joined(lines[place])).strip()
            lines[place] = [f"{left}\n"] if left and not left.startswith("#") else []
        elif isinstance(line, FolderLine):
            lines[place] = [_left_out(line.text)]
        elif isinstance(line, SourceLine | FileLine) and (release := _release_of_line(line, served)):
            lines[place] = [_pin_source(lines[place], line, release, served)]
        elif isinstance(line, RequirementLine) and line.hashes and (wheels := _wheels_of(line, served)):
            lines[place] = [_replace_hashes(lines[place], wheels)]
    return "".join(f"{head}\n" for head in heads) + "".join(lines)


def _release_of_line(line: SourceLine | FileLine, served: ServedReleases) -> Release | None:
    if isinstance(line, FileLine):
        return served.release_of_file((line.project, line.version), line.hashes)
    return served.sources.get(str(line.source))


def _wheels_of(line: RequirementLine, served: ServedReleases) -> Sequence[ServedWheel]:
    version = exact_version(line.requirement)
    return served.wheels.get((canonicalize_name(line.requirement.name), version), ()) if version else ()


def _last_line(lines: Sequence[str], first: int) -> int:
    """Return the last line of a requirement that spans several lines."""
    ends = (number for number in range(first, len(lines)) if not lines[number].rstrip("\r\n").endswith("\\"))
    return next(ends, len(lines) - 1)


def _joined(lines: Iterable[str]) -> str:
    """Return continued lines joined into one."""
    return " ".join(line.rstrip("\r\n").removesuffix("\\").strip() for line in lines)


def _pin_source(lines: Sequence[str], line: SourceLine | FileLine, release: Release, served: ServedReleases) -> str:
    """Return the pin of a release in the place of an address; a comment stays at the end."""
    (project, version), end = release, lines[-1][len(lines[-1].rstrip("\r\n")) :]
    _, mark, comment = f"{_joined(lines)} ".partition(" #")
    extras = f"[{','.join(sorted(line.extras))}]" if line.extras else ""
    marker = f" ; {line.marker}" if line.marker else ""
    requirement = _with_hashes(f"{project}{extras}=={version}{marker}", served.wheels.get(release, ()))
    return requirement + (f"  #{comment.rstrip()}" if mark else "") + end


def _replace_hashes(lines: Sequence[str], wheels: Sequence[ServedWheel]) -> str:
    """Return a requirement with new hashes; a comment stays at the end."""
    end = lines[-1][len(lines[-1].rstrip("\r\n")) :]
    code, mark, comment = f"{_joined(lines)} ".partition(" #")
    requirement = _HASH.sub("", f" {code}").strip()
    return _with_hashes(requirement, wheels) + (f"  #{comment.rstrip()}" if mark else "") + end


def _with_hashes(requirement: str, wheels: Iterable[ServedWheel]) -> str:
    hashes = dict.fromkeys(f"--hash=sha256:{wheel.sha256}" for wheel in wheels)
    return " \\\n    ".join((requirement, *hashes))


# Lock files in TOML


def _lock_toml(kind: InputKind, text: str, served: ServedReleases, project: str | None, *, file: str) -> str:
    if kind not in {InputKind.UV_LOCK, InputKind.PYLOCK, InputKind.POETRY_LOCK}:
        return text
    try:
        check_cost(text)
        document = tomlkit.parse(text)
        if kind is InputKind.UV_LOCK:
            _lock_uv(document, served)
        elif kind is InputKind.PYLOCK:
            _lock_pylock(document, served)
        else:
            _lock_poetry(document, served, _source_name(project, served))
        return tomlkit.dumps(document)
    except (TOMLKitError, TypeError, AttributeError, KeyError, ValueError, RecursionError) as error:
        raise DependencyFileInvalidError(file=file, problems=[str(error)]) from error


def _release_of(package: Mapping[str, Any]) -> Release | None:
    try:
        return canonicalize_name(str(package["name"])), read_version(str(package["version"]))
    except (KeyError, RefusedTextError):
        return None


def _served(package: Mapping[str, Any], served: ServedReleases) -> Sequence[ServedWheel]:
    release = _release_of(package)
    return served.wheels.get(release, ()) if release else ()


def _release_of_source(
    read: Callable[..., tuple[GitRequest, str]], source: object, package: Mapping[str, Any], served: ServedReleases
) -> Release | None:
    """Return the release that was built from the commit of a lock's entry; None if there is none."""
    try:
        request, commit = read(source, project=str(package["name"]))
    except (GitSourceInvalidError, RefusedTextError):
        return None
    return served.sources.get(str(replace(request, ref=commit)))


def _put(package: Any, key: str, entries: Iterable[Mapping[str, Any]]) -> None:  # noqa: ANN401  (tomlkit's own)
    """Put files into a package, one line each, as the tools write them."""
    files = tomlkit.array()
    for entry in entries:
        table = tomlkit.inline_table()
        table.update(entry)
        files.append(table)
    package[key] = files.multiline(multiline=bool(files))


def _lock_uv(document: Any, served: ServedReleases) -> None:  # noqa: ANN401  (tomlkit's own)
    """Point every package of an index to ours; one that is not served keeps no file, which uv reports."""
    built: dict[tuple[str, str], Release] = {}
    for package in document.get("package", ()):
        address = package["source"].get("git") or package["source"].get("url")
        if address is not None and (release := _uv_release(package, served)):
            built[str(package["name"]), str(address)] = release
            package["version"] = str(release[1])
            package["source"] = _registry(served)
    for package in document.get("package", ()):
        for edge in _uv_edges(package):
            source = edge.get("source", {})
            if "registry" in source:
                edge["source"]["registry"] = served.simple_url
            elif release := built.get((str(edge["name"]), str(source.get("git") or source.get("url")))):
                edge["version"] = str(release[1])
                edge["source"] = _registry(served)
        if "registry" not in package["source"]:
            continue
        package["source"]["registry"] = served.simple_url
        package.pop("sdist", None)
        package.pop("wheels", None)
        if wheels := _served(package, served):
            _put(
                package,
                "wheels",
                ({"url": one.url, "hash": f"sha256:{one.sha256}", "size": one.size_bytes} for one in wheels),
            )


def _uv_release(package: Mapping[str, Any], served: ServedReleases) -> Release | None:
    """Return the release that is served in the place of a commit or a file at an address."""
    if "git" in package["source"]:
        return _release_of_source(read_uv_git, package["source"]["git"], package, served)
    files = (*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else ()))
    return served.release_of_file(_release_of(package), [str(file.get("hash")) for file in files])


def _registry(served: ServedReleases) -> Any:  # noqa: ANN401  (tomlkit's own)
    table = tomlkit.inline_table()
    table["registry"] = served.simple_url
    return table


def _uv_edges(package: Mapping[str, Any]) -> Iterator[Any]:
    """Yield a package's dependencies; they name a source if the lock has a project from several sources."""
    yield from package.get("dependencies", ())
    for tables in ("optional-dependencies", "dev-dependencies"):
        for edges in package.get(tables, {}).values():
            yield from edges


def _lock_pylock(document: Any, served: ServedReleases) -> None:  # noqa: ANN401  (tomlkit's own)
    """Let every package of an index come from ours.

    The format requires files, so a package that is not served keeps its names, at URLs where our index has nothing:
    an installer that wants it fails and does not use another index.
    """
    for package in document.get("packages", ()):
        if "vcs" in package and (release := _release_of_source(read_pylock_vcs, package["vcs"], package, served)):
            package.pop("vcs")
            package["version"] = str(release[1])
        elif "archive" in package and (release := _pylock_release(package, served)):
            package.pop("archive")
            package["version"] = str(release[1])
        if {"vcs", "directory", "archive"} & package.keys():
            continue
        package["index"] = served.simple_url
        package.pop("attestation-identities", None)  # of other files
        if wheels := _served(package, served):
            package.pop("sdist", None)
            package.pop("wheels", None)
            _put(package, "wheels", map(_pylock_entry, wheels))
        else:
            for file in (*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else ())):
                file["url"] = _nowhere(file.get("name") or posixpath.basename(urlsplit(str(file["url"])).path), served)
                file.pop("path", None)


def _pylock_release(package: Mapping[str, Any], served: ServedReleases) -> Release | None:
    digest = package["archive"].get("hashes", {}).get("sha256")
    return served.release_of_file(_release_of(package), [f"sha256:{digest}"])


def _pylock_entry(wheel: ServedWheel) -> dict[str, Any]:
    hashes = tomlkit.inline_table()
    hashes["sha256"] = wheel.sha256
    return {"name": wheel.filename, "url": wheel.url, "size": wheel.size_bytes, "hashes": hashes}


def _nowhere(filename: str, served: ServedReleases) -> str:
    return f"{served.files_url.rstrip('/')}/{filename}"


def _source_name(project: str | None, served: ServedReleases) -> str | None:
    """Return the name of the pyproject.toml's source that is our index; None if there is none."""
    try:
        sources = read_toml(project or "").get("tool", {}).get("poetry", {}).get("source", [])
        ours = served.simple_url.rstrip("/")
        names = [str(source["name"]) for source in sources if source.get("url", "").rstrip("/") == ours]
    except (RefusedTextError, AttributeError, KeyError, TypeError):
        return None
    return next(iter(names), None)


def _lock_poetry(document: Any, served: ServedReleases, source: str | None) -> None:  # noqa: ANN401  (tomlkit's own)
    """Let every package of an index come from ours.

    Poetry looks for a package in a source of the pyproject.toml, and treats the lock as outdated if that file changes.
    Unless it names our index, each package gets the URL of its wheel. If no single wheel serves all Pythons, there is
    an entry for each Python. A package that is not served gets a URL where our index has nothing.
    """
    packages: list[Any] = []
    for package in document.get("package", ()):
        packages += _poetry_entries(package, served, source)
    if len(packages) > len(document.get("package", ())):
        document["package"] = tomlkit.aot()
        for package in packages:
            document["package"].append(package)


def _poetry_entries(package: Any, served: ServedReleases, source: str | None) -> Iterable[Any]:  # noqa: ANN401  (tomlkit's own)
    kind = package.get("source", {}).get("type", "legacy")
    if kind == "git" and (release := _release_of_source(read_poetry_git, package["source"], package, served)):
        package["version"] = str(release[1])
        package.pop("develop", None)
    elif kind == "url" and (release := _poetry_release(package, served)):
        package["version"] = str(release[1])
    elif kind not in {"legacy", "pypi"}:
        return [package]
    wheels = _served(package, served)
    if wheels and source is None:
        return list(_entries_by_python(package, wheels))
    if wheels:
        _put_poetry(package, wheels, type="legacy", url=served.simple_url.rstrip("/"), reference=str(source))
    else:
        names = [str(file["file"]) for file in package.get("files", ())]
        package["source"] = _table(type="url", url=_nowhere(names[0] if names else "", served))
    return [package]


def _poetry_release(package: Mapping[str, Any], served: ServedReleases) -> Release | None:
    hashes = [str(file.get("hash")) for file in package.get("files", ())]
    return served.release_of_file(_release_of(package), hashes)


def _table(**values: str) -> Any:  # noqa: ANN401  (tomlkit's own)
    table = tomlkit.table()
    table.update(values)
    return table


def _put_poetry(package: Any, wheels: Iterable[ServedWheel], **source: str) -> None:  # noqa: ANN401  (tomlkit's own)
    _put(package, "files", ({"file": wheel.filename, "hash": f"sha256:{wheel.sha256}"} for wheel in wheels))
    package.pop("source", None)
    package["source"] = _table(**source)


def _entries_by_python(package: Any, wheels: Sequence[ServedWheel]) -> Iterator[Any]:  # noqa: ANN401  (tomlkit's own)
    pythons = _pythons_by_wheel(wheels)
    for number, (wheel, versions) in enumerate(pythons.items()):
        entry = copy.deepcopy(package) if number + 1 < len(pythons) else package
        _put_poetry(entry, [wheel], type="url", url=wheel.url)
        if len(pythons) > 1:
            _narrow(entry, " or ".join(f'python_version == "{version}"' for version in versions))
        yield entry


def _pythons_by_wheel(wheels: Sequence[ServedWheel]) -> dict[ServedWheel, list[str]]:
    """Return a wheel for each Python, as few as possible, because an installer cannot choose between URLs by tags."""
    targets = list(dict.fromkeys(target for wheel in wheels for target in wheel.targets))
    chosen: dict[ServedWheel, list[str]] = {}
    for python in sorted({python_version(target.python) for target in targets}, key=python_order):
        own = [target for target in targets if python_version(target.python) == python]
        best = max(wheels, key=lambda wheel: (_reach(wheel, own), _reach(wheel, targets)))
        chosen.setdefault(best, []).append(python)
    return chosen


def _reach(wheel: ServedWheel, targets: Iterable[Target]) -> int:
    return sum(serves(wheel.filename, target) for target in targets)


def _narrow(package: Any, marker: str) -> None:  # noqa: ANN401  (tomlkit's own)
    """Add a condition to a package's markers, which are one text or one for each group."""
    former = package.get("markers")
    if isinstance(former, Mapping):
        groups = package.get("groups", ["main"])
        narrowed = tomlkit.inline_table()
        narrowed.update({group: _and(former.get(group, ""), marker) for group in groups})
        package["markers"] = narrowed
    else:
        package["markers"] = _and(former, marker)


def _and(former: object, marker: str) -> str:
    return f"({former}) and ({marker})" if former else marker
