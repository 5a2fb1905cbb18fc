"""Requirements of sources at addresses, as each kind of input file writes them.

A source that cannot be used is no error of the file: it is reported for its line, and the rest goes on.
"""

import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from wheelyard.domain.addresses import without_users
from wheelyard.domain.builds.git_source import GitRequest, is_commit
from wheelyard.domain.untrusted.file_names import find_sdist_name, find_wheel_name, read_project_name
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.errors import GitSourceInvalidError

_SHOWN: Final = 200
_LONGEST: Final = 1000
"""Characters of an address with its query and fragment; the address alone may have 500."""
_MOST_FIELDS: Final = 8
_EGG: Final = re.compile(r"([#&]egg=[A-Za-z0-9._-]{1,200})(?:\[|%5[Bb])([A-Za-z0-9._, -]{0,200})(?:\]|%5[Dd])")
"""pip's old form of a name with extras behind an address."""
_SHA256: Final = re.compile(r"sha256:[0-9a-f]{64}")
_REFS: Final = ("tag", "rev", "branch")


def read_git_address(address: str, *, project: str | None = None) -> tuple[GitRequest, frozenset[NormalizedName]]:
    """Return the source that pip's form ``git+https://…`` names, and the extras of ``#egg=NAME[EXTRA]``.

    Raises GitSourceInvalidError.
    """
    if len(address) > _LONGEST:
        raise GitSourceInvalidError(reason=f"its address has more than {_LONGEST} characters")
    egg = _EGG.search(address)
    plain = address if egg is None else f"{address[: egg.start()]}{egg[1]}{address[egg.end() :]}"
    extras = frozenset(canonicalize_name(one) for one in (egg[2].split(",") if egg else ()) if one.strip())
    source = GitRequest.parse(plain)
    return (source if project is None else replace(source, project=read_project_name(project))), extras


def read_uv_git(text: object, *, project: str) -> tuple[GitRequest, str]:
    """Return the source of an entry of ``uv.lock``, ``https://HOST/PATH?tag=REF&subdirectory=FOLDER#COMMIT``.

    Raises GitSourceInvalidError.
    """
    if not isinstance(text, str) or len(text) > _LONGEST:
        raise GitSourceInvalidError(reason=f"its address is not a text of at most {_LONGEST} characters")
    try:
        parts = urlsplit(text)
        said = parse_qs(parts.query, max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise GitSourceInvalidError(reason=f"its address cannot be read ({error})") from error
    refs = [said[name][-1] for name in _REFS if name in said]
    url = parts._replace(query="", fragment="").geturl()
    return _locked(url, refs, parts.fragment, said.get("subdirectory", [""])[-1], project=project)


def read_poetry_git(source: Mapping[str, Any], *, project: str) -> tuple[GitRequest, str]:
    """Return the source of a package of ``poetry.lock``; raise GitSourceInvalidError."""
    refs = [_text(source, "reference")] if source.get("reference") else []
    return _locked(
        _text(source, "url"), refs, _text(source, "resolved_reference"), _text(source, "subdirectory"), project=project
    )


def read_pylock_vcs(vcs: Mapping[str, Any], *, project: str) -> tuple[GitRequest, str]:
    """Return the source of a package of ``pylock.toml`` (PEP 751); raise GitSourceInvalidError."""
    if vcs.get("type") != "git":
        kind = _text(vcs, "type")[:_SHOWN]
        raise GitSourceInvalidError(reason=f"{kind or 'nothing'} is no version control system that is used; git is")
    if not vcs.get("url"):
        raise GitSourceInvalidError(reason="it is a repository on another machine's disk, without an address")
    revision = _text(vcs, "requested-revision")
    return _locked(
        _text(vcs, "url"),
        [revision] if revision else [],
        _text(vcs, "commit-id"),
        _text(vcs, "subdirectory"),
        project=project,
    )


class FileReference(NamedTuple):
    """What an address says of the file there."""

    project: NormalizedName
    version: Version
    hashes: frozenset[str]
    """``sha256:…`` of the file."""
    address: str
    """The address, without what is behind ``#``."""


def read_file_address(address: str, *, project: str | None, hashes: Iterable[str] = ()) -> FileReference:
    """Return the file that an address names; its hashes are behind the address, or stated beside it.

    Raises RefusedTextError with the reason if the address does not say that.
    """
    if len(address) > _LONGEST:
        raise RefusedTextError(f"its address has more than {_LONGEST} characters")
    try:
        parts = urlsplit(address)
        said = parse_qs(parts.fragment, max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise RefusedTextError(f"its address cannot be read ({error})") from error
    filename = unquote(posixpath.basename(parts.path))
    name = find_wheel_name(filename) or find_sdist_name(filename)
    if name is None:
        raise RefusedTextError(
            "its file name is not that of an sdist or a wheel; name its repository with git+https://"
        )
    if project is not None and canonicalize_name(project) != name.project:
        raise RefusedTextError(f"its file is of {name.project}, and not of {project}")
    stated = {one.lower() for one in hashes} | {f"sha256:{one.lower()}" for one in said.get("sha256", ())}
    known = frozenset(one for one in stated if _SHA256.fullmatch(one))
    if not known:
        raise RefusedTextError("its address has no hash; write #sha256=… behind it")
    return FileReference(
        project=name.project, version=name.version, hashes=known, address=parts._replace(fragment="").geturl()
    )


def shown_address(text: str) -> str:
    """Shorten an address, and hide what may be a password in it."""
    return without_users(" ".join(text.split()))[:_SHOWN]


def _locked(url: str, refs: list[str], commit: str, subdirectory: str, *, project: str) -> tuple[GitRequest, str]:
    """Return a source with the commit that a lock names. A ref that has no form of ours does not count."""
    if not is_commit(commit):
        raise GitSourceInvalidError(reason=f"{commit[:80]!r} is not a commit with all its digits")
    pinned = GitRequest.of(url=url, ref=commit, subdirectory=subdirectory, project=project)
    try:
        named = GitRequest.of(url=url, ref=refs[0], subdirectory=subdirectory, project=project) if refs else pinned
    except GitSourceInvalidError:
        return pinned, commit
    return (pinned if named.is_short_commit else named), commit


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key) or ""
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise GitSourceInvalidError(reason=f"its {key} is not a text of at most {_LONGEST} characters")
    return value
