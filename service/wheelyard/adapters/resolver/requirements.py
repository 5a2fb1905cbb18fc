"""Parse the lines of a requirements file as pip does.

pip's own parser is internal (https://pip.pypa.io/en/stable/user_guide/#using-pip-from-your-program). Files that the
text names are not opened, and environment variables are not expanded. The decision is ``docs/decisions/0036``;
``tests/unit/adapters/test_requirements_file.py`` compares this with pip's parser.
https://pip.pypa.io/en/stable/reference/requirements-file-format/
"""

import optparse
import posixpath
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from typing import Final, NoReturn

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from wheelyard.domain.addresses import without_users
from wheelyard.domain.dependencies.files import APPLICATION, why_left
from wheelyard.domain.dependencies.requirements_file import (
    FileLine,
    FolderLine,
    NestedFile,
    ParsedLine,
    RequirementLine,
    SourceLine,
    UnusableLine,
)
from wheelyard.domain.dependencies.sources import read_file_address, read_git_address
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.requirements import check_line, read_marker, read_requirement
from wheelyard.errors import GitSourceInvalidError

_SWITCHES: Final = ("--no-index", "--prefer-binary", "--require-hashes", "--no-require-hashes", "--pre")
_OPTIONS: Final = (
    *(("-r", "--requirement", "--requirements"), ("-c", "--constraint"), ("-e", "--editable")),
    *(("-i", "--index-url", "--pypi-url"), ("-f", "--find-links")),
    *(("--extra-index-url",), ("--trusted-host",), ("--use-feature",)),
    *(("--no-binary",), ("--only-binary",), ("--all-releases",), ("--only-final",)),
    *(("--hash",), ("-C", "--config-settings", "--config-setting")),
    # Options of older versions of pip.
    *(("--global-option",), ("--install-option",)),
)
_NESTED: Final = {"--requirement": False, "--constraint": True}
_OF_REQUIREMENTS: Final = frozenset({"--hash", "--config-settings", "--global-option", "--install-option"})
"""Options that pip ignores in a line of their own."""
_IGNORED_OPTION: Final = "an option of the installer; the index and its policy are the service's own settings"
_REASONS: Final = {
    "--no-binary": "an option of the installer; for wheels of our own making alone, ask with --prefer own"
}
_OPTION: Final = re.compile(r"(?:^| )-")
_COMMENT: Final = re.compile(r"(?:^|(?<=\s))#")
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9.-]*)(\+[A-Za-z0-9.-]+)?:")
_OPERATOR: Final = re.compile(r"[<>=!~]=|[<>]")
_WEB: Final = frozenset({"http", "https", "ftp", "file"})
_REPOSITORIES: Final = frozenset({"git", "hg", "svn", "bzr"})
_ARCHIVES: Final = (
    *(".zip", ".whl", ".tar", ".tgz", ".tbz", ".txz", ".tlz"),
    *(".tar.gz", ".tar.bz2", ".tar.xz", ".tar.lz", ".tar.lzma"),
)
_PLACES: Final = frozenset({"http", "https"})
_THIS_HOST: Final = frozenset({"", "file"})
_SHOWN: Final = 200
_LONGEST_LINE: Final = 100_000
"""Characters, with what continues it. A thousand hashes have room in it; the cost of splitting options is a square."""
_LONGEST_PATH: Final = 300
"""Characters of a folder; the names of given files have no more."""
_LONGEST_NAME: Final = 255
"""No file of a project with a longer name could be stored."""
_HASH_DIGITS: Final = {"sha256": 64, "sha384": 96, "sha512": 128}
"""Hashes that pip accepts: https://pip.pypa.io/en/stable/topics/secure-installs/"""
_HEXADECIMAL: Final = frozenset("0123456789abcdefABCDEF")
_HASH_FORM: Final = "a hash as installers take it: sha256:, sha384: or sha512: and its hexadecimal digits"


class _OptionParser(optparse.OptionParser):
    """Parses the options that pip allows in a requirements file, including abbreviations."""

    def __init__(self) -> None:
        super().__init__(add_help_option=False)
        for switch in _SWITCHES:
            self.add_option(switch, action="store_true")
        for names in _OPTIONS:
            self.add_option(*names, action="append")

    def error(self, msg: str) -> NoReturn:
        """Raise ValueError instead of ending the program."""
        raise ValueError(msg)


def parse_requirements(text: str) -> tuple[ParsedLine, ...]:
    """Return what each line of a requirements file asks for, in order."""
    # Neither a NUL nor half of a surrogate pair could be stored or sent.
    text = text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
    options = _OptionParser()
    return tuple(
        parsed
        for number, line in _join_lines(text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}"))
        for parsed in _read_line(number, line, options)
    )


def _join_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield complete lines with the number of their first line, without comments and with continuations joined."""
    parts: list[str] = []
    first = 0
    for number, line in enumerate(text.splitlines(), start=1):
        first = first if parts else number
        is_comment = line.lstrip().startswith("#")
        if line.endswith("\\") and not is_comment:
            parts.append(line.strip("\\"))
            continue
        # A comment ends a continued line. It needs no space before it.
        yield from _without_comment(first, "".join([*parts, " " if is_comment else "", line]))
        parts = []
    yield from _without_comment(first, "".join(parts))


def _without_comment(number: int, line: str) -> Iterator[tuple[int, str]]:
    comment = _COMMENT.search(line)
    if content := line[: comment.start() if comment else None].strip():
        yield number, content


def _read_line(number: int, line: str, options: _OptionParser) -> Iterator[ParsedLine]:
    if len(line) > _LONGEST_LINE:
        yield _malformed(number, line, f"it has {len(line)} characters; {_LONGEST_LINE} are allowed")
        return
    begin = _OPTION.search(line)
    asked, stated = (line[: begin.start()], line[begin.start() :]) if begin else (line, "")
    try:
        check_line(line)
        values, ignored = options.parse_args(shlex.split(stated))
    except RefusedTextError as error:
        yield _malformed(number, line, str(error))
    except ValueError as error:
        # An option of a newer installer asks for nothing that an index has.
        is_unknown = type(error.__context__) is optparse.BadOptionError
        if is_unknown and line.startswith("--"):
            yield UnusableLine(line=number, text=_shown(line), reason=_shown(str(error)), is_wanted=False)
        else:
            yield _malformed(number, line, _shown(str(error)))
    else:
        if asked and values.editable:
            yield _malformed(number, line, "an editable project needs a line of its own")
        elif asked:
            yield _read_requirement(number, line, asked, tuple(values.hash or ()))
        elif values.editable:
            yield _read_editable(number, line, values.editable[0])
        else:
            yield from _read_options(number, options, values)
        if ignored:
            reason = "installers ignore what follows an option; it needs a line of its own"
            yield UnusableLine(line=number, text=_shown(" ".join(ignored)), reason=reason, is_wanted=False)


def _read_requirement(number: int, line: str, asked: str, hashes: tuple[str, ...]) -> ParsedLine:
    name, _, marker = asked.partition(";")
    name = name.strip()
    if _is_address(name):
        return _read_bare_address(number, line, name, marker, hashes)
    try:
        # To pip, a semicolon with nothing after it is no marker.
        requirement = read_requirement(asked if marker.strip() else name)
    except RefusedTextError as error:
        is_single = "=" in name and not _OPERATOR.search(name)
        return _malformed(number, line, "'=' is not an operator. Did you mean == ?" if is_single else str(error))
    if requirement.url is not None:
        return _read_named_address(number, line, requirement, requirement.url, hashes)
    if (problem := _malformed_reason(requirement, hashes)) is not None:
        return _malformed(number, line, problem)
    return RequirementLine(line=number, requirement=requirement, hashes=hashes)


def _is_address(name: str) -> bool:
    """Return whether this is an address or a path, and not a project's name with a version specifier."""
    if _scheme_of(name) in _WEB or _is_repository(name):
        return True
    before, at, _ = name.partition("@")
    if at and not _looks_like_path(before):
        return False
    path = name.rpartition("[")[0] if name.endswith("]") else name
    return _looks_like_path(name) or path.lower().endswith(_ARCHIVES)


def _looks_like_path(name: str) -> bool:
    return "/" in name or name.startswith(".")


def _is_repository(address: str) -> bool:
    scheme = _SCHEME.match(address)
    return scheme is not None and scheme[1].lower() in _REPOSITORIES


def _scheme_of(address: str) -> str:
    scheme = _SCHEME.match(address)
    return scheme[0][:-1].lower() if scheme else ""


def _read_named_address(
    number: int, line: str, requirement: Requirement, address: str, hashes: tuple[str, ...]
) -> UnusableLine:
    if _scheme_of(address) in _PLACES:
        found = _read_file(number, line, address, hashes, requirement.name)
        extras = frozenset(map(canonicalize_name, requirement.extras))
        if isinstance(found, FileLine):
            return replace(found, extras=extras, marker=requirement.marker)
        return found
    if not _is_repository(address):
        return _read_address(number, line, address)
    return _read_repository(number, line, address, named=requirement, marker=requirement.marker)


def _read_bare_address(number: int, line: str, address: str, marker: str, hashes: tuple[str, ...]) -> UnusableLine:
    is_file = _scheme_of(address) in _PLACES
    if not is_file and not _is_repository(address):
        return _read_address(number, line, address)
    try:
        condition = read_marker(marker.strip()) if marker.strip() else None
    except RefusedTextError as error:
        return _malformed(number, line, str(error))
    if is_file:
        found = _read_file(number, line, address, hashes)
        return replace(found, marker=condition) if isinstance(found, FileLine) else found
    return _read_repository(number, line, address, marker=condition)


def _read_file(number: int, line: str, address: str, hashes: tuple[str, ...], named: str | None = None) -> UnusableLine:
    """Return the file at an address, which its hash identifies; without it if the address does not say enough."""
    try:
        file = read_file_address(address, project=named, hashes=hashes)
    except RefusedTextError as error:
        reason = f"it is a file at an address: {_shown(str(error))}"
        return UnusableLine(line=number, text=_shown(line), reason=reason)
    reason = "it is a file at an address, not a release on the index"
    return FileLine(line=number, text=_shown(line), reason=reason, **file._asdict())


def _read_address(number: int, line: str, address: str) -> UnusableLine:
    scheme = _scheme_of(address)
    path, extras = _split_extras(address)
    if scheme == "" and not path.lower().endswith(_ARCHIVES):
        return _read_folder(number, line, path, extras)
    reason = "it is a file or an address, not a release on the index"
    return UnusableLine(line=number, text=_shown(line), reason=reason, is_wanted=scheme not in _THIS_HOST)


def _read_repository(
    number: int,
    line: str,
    address: str,
    *,
    named: Requirement | None = None,
    marker: Marker | None = None,
) -> UnusableLine:
    """Return the commit, tag or branch that a line names; without its source if that is not one that can be used."""
    try:
        source, extras = read_git_address(address, project=named.name if named else None)
    except (GitSourceInvalidError, RefusedTextError) as error:
        why = error.reason if isinstance(error, GitSourceInvalidError) else str(error)
        reason = f"it comes from a version control repository that cannot be used: {_shown(why)}"
        return UnusableLine(line=number, text=_shown(line), reason=reason)
    reason = "it comes from a version control repository, not from the index"
    extras |= frozenset(map(canonicalize_name, named.extras)) if named else frozenset()
    return SourceLine(line=number, text=_shown(line), reason=reason, source=source, extras=extras, marker=marker)


def _read_editable(number: int, line: str, address: str) -> UnusableLine:
    if _is_repository(address):
        return _read_repository(number, line, address)
    folder, extras = _split_extras(address)
    return _read_folder(number, line, folder, extras)


def _read_folder(number: int, line: str, folder: str, extras: frozenset[NormalizedName]) -> FolderLine:
    is_application = posixpath.normpath(folder) == "."
    reason = APPLICATION if is_application else why_left(_shown(folder))
    return FolderLine(
        line=number, text=_shown(line), reason=reason, is_wanted=False, folder=folder[:_LONGEST_PATH], extras=extras
    )


def _split_extras(address: str) -> tuple[str, frozenset[NormalizedName]]:
    """Return a path, and the extras in brackets behind it."""
    path, bracket, rest = address.rpartition("[")
    if not bracket or not rest.endswith("]"):
        return address.strip(), frozenset()
    return path.strip(), frozenset(canonicalize_name(one) for one in rest[:-1].split(",") if one.strip())


def _malformed_reason(requirement: Requirement, hashes: tuple[str, ...]) -> str | None:
    """Return why no installer can use a requirement; None if it is valid."""
    if len(requirement.name) > _LONGEST_NAME:
        return f"the project's name has {len(requirement.name)} characters; {_LONGEST_NAME} are allowed"
    return next((f"{text[:_SHOWN]!r} is not {_HASH_FORM}" for text in hashes if not _is_hash(text)), None)


def _is_hash(text: str) -> bool:
    """Return whether an installer could compare this hash with a file's."""
    algorithm, _, value = text.partition(":")
    return len(value) == _HASH_DIGITS.get(algorithm) and set(value) <= _HEXADECIMAL


def _read_options(number: int, options: _OptionParser, values: optparse.Values) -> Iterator[ParsedLine]:
    for option in options.option_list:
        name, given = option.get_opt_string(), getattr(values, option.dest or "")
        if not given or name in _OF_REQUIREMENTS:
            continue
        if name in _NESTED:
            # pip opens a file "=a.txt" for "-r=a.txt". The author means "a.txt".
            yield from (NestedFile(line=number, name=one.lstrip("="), is_constraints=_NESTED[name]) for one in given)
        else:
            # Its value may contain a password, so it is not repeated.
            reason = _REASONS.get(name, _IGNORED_OPTION)
            yield UnusableLine(line=number, text=name, reason=reason, is_wanted=False)


def _malformed(number: int, line: str, reason: str) -> UnusableLine:
    return UnusableLine(line=number, text=_shown(line), reason=reason, is_malformed=True)


def _shown(text: str) -> str:
    """Shorten a line, and hide what may be a password in an address."""
    return without_users(" ".join(text.split()))[:_SHOWN]
