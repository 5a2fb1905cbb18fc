"""Write the pages of the Simple API: HTML (PEP 503) and JSON (PEP 691), with the keys of later PEPs.

These are PEP 592, 658, 700, 714 and 740, and in JSON also PEP 752.

All texts of projects and people are escaped. Equal wheels give equal bytes. docs/decisions/0014 has the reason why no
library writes them.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from enum import StrEnum
from html import escape
from typing import Any, Final
from urllib.parse import quote

from packaging.utils import canonicalize_name

from wheelyard.domain.index.wheels import IndexedWheel
from wheelyard.domain.packaging.own_projects import OwnProjects
from wheelyard.domain.untrusted.versions import read_version

HTML_VERSION: Final = "1.4"
"""1.1 is PEP 700; 1.3 is PEP 740, whose ``provenance`` is null for a file that nothing was signed of; 1.4 is PEP 792,
for which a project without a status is active."""
JSON_VERSION: Final = "1.5"
"""1.5 is PEP 752, which changes JSON only."""
NO_OWN_PROJECTS: Final = OwnProjects()


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """URLs that pages lead to, absolute or relative to a project's page."""

    files: str = "../../files"
    """The folder of the files."""
    integrity: str = "../../integrity"
    """The folder of the provenance objects. PEP 740 wants it absolute, which needs an address that users reach."""


_BESIDE: Final = Places()


class Form(StrEnum):
    """The media types of a page (PEP 691)."""

    JSON = "application/vnd.pypi.simple.v1+json"
    HTML = "application/vnd.pypi.simple.v1+html"
    LEGACY = "text/html"


_LATEST: Final = {
    "application/vnd.pypi.simple.latest+json": Form.JSON,
    "application/vnd.pypi.simple.latest+html": Form.HTML,
}
# For equal preference and for wildcards, HTML comes first, because browsers can show it.
_ANYTHING: Final = {"*/*": Form.LEGACY, "text/*": Form.LEGACY, "application/*": Form.JSON}
_KNOWN: Final[Mapping[str, Form]] = {**{form.value: form for form in Form}, **_LATEST, **_ANYTHING}


def choose_form(accept: str | None) -> Form | None:
    """Return a page's form for an Accept header (RFC 9110, section 12.5.1); None if none is acceptable."""
    if accept is None or not accept.strip():
        return Form.LEGACY
    preferences = [_preference(item) for item in accept.split(",")]
    refused = {media for media, weight in preferences if weight <= 0}
    wanted = [(weight, _KNOWN[media]) for media, weight in preferences if weight > 0 and media in _KNOWN]
    acceptable = [(weight, form) for weight, form in wanted if form.value not in refused]
    return max(acceptable, key=lambda pair: pair[0])[1] if acceptable else None


def _preference(item: str) -> tuple[str, float]:
    media, *parameters = (part.strip().lower() for part in item.split(";"))
    weights = [text.removeprefix("q=") for text in parameters if text.startswith("q=")]
    try:
        return media, float(weights[0]) if weights else 1.0
    except ValueError:
        return media, 0.0


def write_project(
    project: str,
    wheels: Sequence[IndexedWheel],
    form: Form,
    *,
    places: Places = _BESIDE,
    own: OwnProjects = NO_OWN_PROJECTS,
) -> bytes:
    """Return a project's page.

    Args:
        project: its normalised name.
        wheels: the wheels to list.
        form: the media type.
        places: the URLs that it leads to.
        own: the organisation's own names, which reserve namespaces.
    """
    if form is Form.JSON:
        return _project_json(project, wheels, places, own)
    return _html(f"Links for {project}", (_link(wheel, places) for wheel in wheels))


def write_names(names: Iterable[str], form: Form) -> bytes:
    """Return the page that lists all projects."""
    if form is Form.JSON:
        return _encode({"meta": {"api-version": JSON_VERSION}, "projects": [{"name": name} for name in names]})
    links = (f'<a href="{quote(name)}/">{escape(name)}</a><br>' for name in names)
    return _html("Simple index", links)


def write_namespaces(own: OwnProjects) -> bytes:
    """Return the list of namespaces (PEP 752) as JSON."""
    return _encode([{"name": name} for name in own.namespaces])


def write_namespace(name: str, own: OwnProjects) -> bytes:
    """Return the description of one of the namespaces (PEP 752) as JSON."""
    children = [child for child in own.namespaces if own.parent_of(child) == name]
    return _encode({"name": name, "parent": own.parent_of(name), "children": children})


def _project_json(project: str, wheels: Sequence[IndexedWheel], places: Places, own: OwnProjects) -> bytes:
    document = {
        "meta": {"api-version": JSON_VERSION},
        "name": project,
        "versions": sorted({wheel.version for wheel in wheels}, key=read_version),
        "files": [_file(wheel, places) for wheel in wheels],
        "namespaces": _namespaces(project, own),
    }
    return _encode(document)


def _namespaces(project: str, own: OwnProjects) -> list[dict[str, Any]] | None:
    """Return the value of PEP 752's "namespaces"; None if the project is in none.

    All namespaces are the organisation's. A project in one is owned by it if upstream may not provide the project: the
    pattern ``acme-*`` leaves the name ``acme`` itself to upstream.
    """
    is_owned = own.include(canonicalize_name(project))
    return [{"name": name, "owned": is_owned} for name in own.namespaces_of(project)] or None


def _file(wheel: IndexedWheel, places: Places) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "filename": wheel.filename,
        "url": _url(wheel, places.files),
        "hashes": {"sha256": wheel.sha256},
        "size": wheel.size_bytes,
        "upload-time": wheel.uploaded_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "yanked": _yanked(wheel),
        "provenance": _provenance(wheel, places),
        # Keys with an underscore belong to the index (PEP 691); installers ignore them.
        "_origin": wheel.origin.value,
    }
    if wheel.requires_python is not None:
        entry["requires-python"] = wheel.requires_python
    if wheel.metadata_sha256 is not None:
        entry["core-metadata"] = {"sha256": wheel.metadata_sha256}
    return entry


def _yanked(wheel: IndexedWheel) -> bool | str:
    """Return the value of PEP 691's "yanked": a reason, or true if none was given."""
    return False if wheel.yanked_at is None else wheel.yanked_reason or True


def _url(wheel: IndexedWheel, files: str) -> str:
    return f"{files}/{quote(wheel.filename)}"


def _provenance(wheel: IndexedWheel, places: Places) -> str | None:
    """Return the URL of PEP 740's provenance object; None if there is none."""
    if wheel.provenance_sha256 is None:
        return None
    parts = (quote(part, safe="") for part in (wheel.project, wheel.version, wheel.filename))
    return f"{places.integrity}/{'/'.join(parts)}/provenance"


def _link(wheel: IndexedWheel, places: Places) -> str:
    attributes = {"href": f"{_url(wheel, places.files)}#sha256={wheel.sha256}"}
    if wheel.requires_python is not None:
        attributes["data-requires-python"] = wheel.requires_python
    if wheel.metadata_sha256 is not None:
        # PEP 714: the second name is for installers from before the first one was standardised.
        attributes["data-core-metadata"] = f"sha256={wheel.metadata_sha256}"
        attributes["data-dist-info-metadata"] = f"sha256={wheel.metadata_sha256}"
    if (provenance := _provenance(wheel, places)) is not None:
        attributes["data-provenance"] = provenance
    if wheel.yanked_at is not None:
        attributes["data-yanked"] = wheel.yanked_reason or ""
    written = " ".join(f'{name}="{escape(value)}"' for name, value in attributes.items())
    return f"<a {written}>{escape(wheel.filename)}</a><br>"


def _html(title: str, lines: Iterable[str]) -> bytes:
    head = (
        "<!DOCTYPE html>",
        '<html lang="en">',
        f'<head><meta charset="utf-8"><meta name="pypi:repository-version" content="{HTML_VERSION}">',
        f"<title>{escape(title)}</title></head>",
        "<body>",
        f"<h1>{escape(title)}</h1>",
    )
    return "\n".join((*head, *lines, "</body>", "</html>", "")).encode()


def _encode(document: Mapping[str, Any] | Sequence[Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
