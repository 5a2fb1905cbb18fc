"""Read the dependencies of a pyproject.toml: project dependencies, extras and dependency groups."""

import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from wheelyard.domain.builds.git_source import is_git_requirement
from wheelyard.domain.dependencies.files import (
    Dependencies,
    InputKind,
    Origin,
    Selection,
    Skipped,
    StatedRelease,
    Wanted,
    WantedFile,
    WantedSource,
    read_requires_python,
)
from wheelyard.domain.dependencies.lock_files import load_toml
from wheelyard.domain.dependencies.requirements_file import malformed_lines
from wheelyard.domain.dependencies.sources import read_file_address, read_git_address, shown_address
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.requirements import find_requirement, read_marker, read_requirement
from wheelyard.domain.untrusted.toml_text import read_toml
from wheelyard.errors import DependencyFileInvalidError, GitSourceInvalidError, ResolutionTooLargeError

_SHOWN: Final = 200
_QUOTED: Final = re.compile(r'"([^"]+)"|\'([^\']+)\'')
_MOST_EXTRAS: Final = 500
_EXTRA: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
MOST_STATED: Final = 2000
"""Requirements and extras of one release; the longest lists of PyPI have some hundreds."""
_NO_TABLE: Final = "it has neither a [project] nor a [dependency-groups]"
_POETRY: Final = "; for Poetry's own tables, use its poetry.lock"


def read_pyproject(text: str, *, file: str, selection: Selection) -> Dependencies:
    """Read the dependencies (PEP 621) and the selected extras and dependency groups (PEP 735).

    Raise DependencyFileInvalidError if there are none that can be read, or SelectionUnknownError.
    """
    document = load_toml(text, file=file)
    project = _project_of(document, file)
    application = _Application(
        file=file,
        name=canonicalize_name(str(project.get("name", ""))),
        extras={
            canonicalize_name(name): _texts(texts, f"the extra {name}", file)
            for name, texts in project.get("optional-dependencies", {}).items()
        },
        lines=_lines_of(text),
    )
    groups = document.get("dependency-groups", {})
    selection.check(file, extras=application.extras.keys(), groups=frozenset(map(canonicalize_name, groups)))
    texts = _texts(project.get("dependencies", []), "dependencies", file)
    for extra in sorted(selection.extras):
        texts += application.extras[extra]
    texts += _grouped(groups, selection.groups, file=file)
    read = list(application.read(texts))
    return Dependencies(
        kind=InputKind.PYPROJECT,
        lock=None,
        wanted=tuple(one for one in read if isinstance(one, Wanted)),
        sources=tuple(one for one in read if isinstance(one, WantedSource | WantedFile)),
        skipped=tuple(one for one in read if isinstance(one, Skipped)),
        requires_python=read_requires_python(project.get("requires-python")),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Application:
    """The project itself: the places of its requirements, and its own extras."""

    file: str
    name: NormalizedName
    extras: Mapping[NormalizedName, Sequence[str]]
    lines: Mapping[str, int]
    """Line of each requirement, by its normalised text."""

    def read(self, texts: Sequence[str]) -> Iterator[Wanted | WantedSource | WantedFile | Skipped]:
        """Yield requirements; the project's own extras are replaced by their contents.

        Raise DependencyFileInvalidError if extras refer to one another too deeply or too often.
        """
        waiting: list[tuple[str, Marker | None]] = [(text, None) for text in reversed(texts)]
        seen: set[tuple[str, str]] = set()
        given: set[str] = set()
        while waiting:
            text, marker = waiting.pop()
            one = self._read(text, marker)
            if not isinstance(one, Wanted) or canonicalize_name(one.requirement.name) != self.name:
                written = str(one.requirement) if isinstance(one, Wanted) else str(one)
                if written not in given:
                    given.add(written)
                    yield one
                continue
            for extra in sorted(map(canonicalize_name, one.requirement.extras), reverse=True):
                if extra not in self.extras:
                    yield self._skip(text, f"the project has no extra {extra!r}", wanted=False)
                elif (extra, str(one.requirement.marker)) not in seen:
                    seen.add((extra, str(one.requirement.marker)))
                    waiting += [(inner, one.requirement.marker) for inner in reversed(self.extras[extra])]
            if len(seen) > _MOST_EXTRAS:
                raise DependencyFileInvalidError(file=self.file, problems=["its extras name one another too often"])

    def _read(self, text: str, marker: Marker | None) -> Wanted | WantedSource | WantedFile | Skipped:
        try:
            requirement = _limited(read_requirement(text), marker)
        except RefusedTextError as error:
            raise malformed_lines(self.file, [f"{self._origin(text)}: {text[:_SHOWN]!r}: {error}"]) from error
        if requirement.url is not None:
            return read_reference(requirement, requirement.url, self._origin(text))
        return Wanted(requirement=requirement, origin=self._origin(text))

    def _skip(self, text: str, reason: str, *, wanted: bool = True) -> Skipped:
        return Skipped(origin=self._origin(text), text=text, reason=reason, is_wanted=wanted)

    def _origin(self, text: str) -> Origin:
        return Origin(file=self.file, line=self.lines.get(_as_written(text)))


def read_reference(requirement: Requirement, url: str, origin: Origin) -> WantedSource | WantedFile | Skipped:
    """Return what a direct reference (PEP 508) asks for: a source in git, a file, or something that is left out."""
    text = shown_address(str(requirement))
    if not is_git_requirement(url):
        return _read_file_reference(requirement, url, origin, text)
    try:
        source, more = read_git_address(url, project=requirement.name)
    except (GitSourceInvalidError, RefusedTextError) as error:
        why = error.reason if isinstance(error, GitSourceInvalidError) else str(error)
        return Skipped(origin=origin, text=text, reason=f"it is no source in git that can be used: {why}")
    extras = frozenset(map(canonicalize_name, requirement.extras)) | more
    return WantedSource(source=source, origin=origin, text=text, extras=extras, marker=requirement.marker)


def _read_file_reference(requirement: Requirement, url: str, origin: Origin, text: str) -> WantedFile | Skipped:
    try:
        file = read_file_address(url, project=requirement.name)
    except RefusedTextError as error:
        return Skipped(origin=origin, text=text, reason=f"it is a direct reference: {error}")
    return WantedFile(
        project=file.project,
        version=file.version,
        hashes=file.hashes,
        address=file.address,
        origin=origin,
        text=text,
        extras=frozenset(map(canonicalize_name, requirement.extras)),
        marker=requirement.marker,
    )


def stated_by_files(project: NormalizedName, version: Version, pyproject: str) -> StatedRelease:
    """Return what the pyproject.toml of a commit states of its requirements; nothing of what it leaves to its code.

    Raise ResolutionTooLargeError if it requires more than any release does.
    """
    table = _static_project(pyproject)
    optional = table.get("optional-dependencies", {})
    optional = optional if isinstance(optional, dict) else {}
    extras = {name: canonicalize_name(name) for name in optional if _EXTRA.fullmatch(name)}
    texts = [(text, "") for text in _strings(table.get("dependencies"))]
    texts += [(text, extra) for name, extra in extras.items() for text in _strings(optional[name])]
    if len(texts) + len(extras) > MOST_STATED:
        what = f"the pyproject.toml of {project} {version} states {len(texts)} requirements and {len(extras)} extras"
        raise ResolutionTooLargeError(what=what, limit=MOST_STATED)
    python = table.get("requires-python")
    return StatedRelease(
        project=project,
        version=version,
        requires=tuple(filter(None, (_of_extra(text, extra) for text, extra in texts))),
        extras=tuple(extras.values()),
        requires_python=python if read_requires_python(python) is not None else None,
    )


def project_name(pyproject: str) -> NormalizedName | None:
    """Return the name that a pyproject.toml states; None if it states none."""
    name = _static_project(pyproject).get("name")
    return canonicalize_name(name) if isinstance(name, str) and name else None


def _static_project(pyproject: str) -> Mapping[str, Any]:
    """Return what the project's table (PEP 621) states; nothing that is dynamic, and nothing if it cannot be read."""
    try:
        table = read_toml(pyproject).get("project")
    except RefusedTextError:
        return {}
    if not isinstance(table, dict):
        return {}
    dynamic = _strings(table.get("dynamic"))
    return {key: value for key, value in table.items() if key not in dynamic}


def _strings(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _of_extra(text: str, extra: str) -> str | None:
    """Return a requirement as core metadata writes it; None for a malformed one and for a direct reference."""
    requirement = find_requirement(text)
    if requirement is None or requirement.url is not None:
        return None
    return str(_limited(requirement, read_marker(f'extra == "{extra}"')) if extra else requirement)


def _project_of(document: Mapping[str, Any], file: str) -> Mapping[str, Any]:
    project = document.get("project", {})
    if not isinstance(project, dict) or not ({"project", "dependency-groups"} & document.keys()):
        problem = _NO_TABLE + (_POETRY if "poetry" in document.get("tool", {}) else "")
        raise DependencyFileInvalidError(file=file, problems=[problem])
    dynamic = [key for key in ("dependencies", "optional-dependencies") if key in project.get("dynamic", ())]
    if dynamic:
        problem = f"its {' and '.join(dynamic)} are dynamic: only running the project's code would tell them"
        raise DependencyFileInvalidError(file=file, problems=[problem])
    return project


def _texts(value: object, what: str, file: str) -> list[str]:
    """Return a copy of a list of requirements; raise DependencyFileInvalidError for anything else."""
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise DependencyFileInvalidError(file=file, problems=[f"{what[:_SHOWN]}: not a list of requirements"])
    return [*value]


def _grouped(groups: Mapping[str, Any], wanted: AbstractSet[NormalizedName], *, file: str) -> Iterator[str]:
    """Yield the requirements of dependency groups (PEP 735), once for each group even if several include it."""
    texts = {canonicalize_name(name): content for name, content in groups.items()}
    if len(texts) < len(groups):
        raise DependencyFileInvalidError(file=file, problems=["dependency groups: two have the same name"])
    seen: set[NormalizedName] = set()
    waiting: list[tuple[NormalizedName, Iterator[Any]]] = []
    for group in sorted(wanted):
        waiting.append((group, _content(texts, group, seen, file=file)))
        while waiting:
            name, content = waiting[-1]
            one = next(content, None)
            if one is None:
                waiting.pop()
            elif isinstance(one, str):
                yield _checked(one, file)
            elif isinstance(one, dict) and one.keys() == {"include-group"}:
                included = canonicalize_name(str(one["include-group"]))
                if any(included == outer for outer, _ in waiting):
                    problem = f"dependency groups: {included} includes itself"
                    raise DependencyFileInvalidError(file=file, problems=[problem])
                waiting.append((included, _content(texts, included, seen, file=file)))
            else:
                problem = f"dependency groups: {name!r} has something that is neither a requirement nor a group"
                raise DependencyFileInvalidError(file=file, problems=[problem])


def _checked(text: str, file: str) -> str:
    try:
        read_requirement(text)
    except RefusedTextError as error:
        raise DependencyFileInvalidError(file=file, problems=[f"dependency groups: {text[:100]!r}, {error}"]) from error
    return text


def _content(
    texts: Mapping[NormalizedName, Any], group: NormalizedName, seen: set[NormalizedName], *, file: str
) -> Iterator[Any]:
    """Iterate over a group's entries; over none if it was seen before."""
    content = texts.get(group)
    if not isinstance(content, list):
        raise DependencyFileInvalidError(file=file, problems=[f"dependency groups: {group!r} not found"])
    is_new = group not in seen
    seen.add(group)
    return iter(content if is_new else ())


def _limited(requirement: Requirement, marker: Marker | None) -> Requirement:
    """Return a requirement that only holds where the requirement of its extra holds."""
    if marker is not None:
        own = requirement.marker
        requirement.marker = marker if own is None else read_marker(f"({marker}) and ({own})")
    return requirement


def _lines_of(text: str) -> Mapping[str, int]:
    """Return the line of each quoted string."""
    lines: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        for quoted in _QUOTED.findall(line):
            lines.setdefault(_as_written("".join(quoted)), number)
    return lines


def _as_written(text: str) -> str:
    """Return a requirement in normalised form, as dependency groups return it."""
    requirement = find_requirement(text)
    return text if requirement is None else str(requirement)
