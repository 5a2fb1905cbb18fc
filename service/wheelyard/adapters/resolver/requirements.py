"""Parse the text of a requirements file as pip does, with a library that carries pip's own parser.

Must not follow what the text names: no other file is opened, no variable of the environment is put in.
https://pip.pypa.io/en/stable/reference/requirements-file-format/
"""

import os
from collections.abc import Iterator
from typing import Final

from pip_requirements_parser import EditableRequirement, InstallRequirement, OptionLine, RequirementsFile

from wheelyard.domain.addresses import without_users
from wheelyard.domain.dependencies.requirements_file import NestedFile, ParsedLine, RequirementLine, UnusableLine
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.requirements import check_line, read_requirement

_NESTED: Final = {"requirements": False, "constraints": True}
_IGNORED_OPTION: Final = "an option of the installer; the index and its policy are the service's own settings"
_REASONS: Final = {"no_binary": "an option of the installer; for wheels of our own making alone, ask with --prefer own"}
_SPELLINGS: Final = {
    "extra_index_urls": "extra-index-url",
    "trusted_hosts": "trusted-host",
    "use_features": "use-feature",
}
"""What the parser names otherwise than pip does."""
_THIS_HOST: Final = frozenset({"", "file"})
_SHOWN: Final = 200
_LONGEST_NAME: Final = 255
"""No file of a project with a longer name could be stored."""
_HASH_DIGITS: Final = {"sha256": 64, "sha384": 96, "sha512": 128}
"""What pip accepts: https://pip.pypa.io/en/stable/topics/secure-installs/"""
_HEXADECIMAL: Final = frozenset("0123456789abcdefABCDEF")
_HASH_FORM: Final = "a hash as installers take it: sha256:, sha384: or sha512: and its hexadecimal digits"


def parse_requirements(text: str) -> tuple[ParsedLine, ...]:
    """Read each line of a requirements file, in their order; raises RefusedTextError."""
    text, refused = _without_hostile(text)
    # The parser wants a file. This one is in memory, so that a process that is ended leaves nothing behind.
    with os.fdopen(os.memfd_create("requirements"), "wb") as file:
        file.write(text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace"))
        file.flush()
        try:
            parsed = RequirementsFile.from_file(f"/proc/self/fd/{file.fileno()}", include_nested=False)
        except (RecursionError, ValueError) as error:
            raise RefusedTextError(f"it cannot be read ({type(error).__name__}: {str(error)[:_SHOWN]})") from error
    lines = [
        *refused,
        *map(_read_requirement, parsed.requirements),
        *(line for option in parsed.options for line in _read_option(option)),
        *(_read_invalid(line.line_number, line.line, line.error_message) for line in parsed.invalid_lines),
    ]
    return tuple(sorted(lines, key=lambda line: line.line))


def _without_hostile(text: str) -> tuple[str, list[UnusableLine]]:
    """Take out the lines that the parser could not bear."""
    lines = text.splitlines(keepends=True)
    refused: list[UnusableLine] = []
    for number, line in enumerate(lines):
        try:
            check_line(line)
        except RefusedTextError as error:
            refused.append(UnusableLine(line=number + 1, text=_shown(line), reason=str(error), is_malformed=True))
            lines[number] = line[len(line.rstrip("\r\n")) :]
    return "".join(lines), refused


def _read_requirement(parsed: InstallRequirement) -> ParsedLine:
    number = parsed.line_number
    if isinstance(parsed, EditableRequirement) and not parsed.is_vcs_url:
        reason = "it is an editable project of your own; what that depends on, its pyproject.toml or lock file says"
        return UnusableLine(line=number, text=_shown(parsed.line), reason=reason, is_wanted=False)
    if parsed.is_vcs_url:
        reason = "it comes from a version control repository, not from the index"
        return UnusableLine(line=number, text=_shown(parsed.line), reason=reason)
    if parsed.link is not None or parsed.req is None:
        reason = "it is a file or an address, not a release on the index"
        wanted = parsed.link is None or parsed.link.scheme not in _THIS_HOST
        return UnusableLine(line=number, text=_shown(parsed.line), reason=reason, is_wanted=wanted)
    if (problem := _malformed_reason(parsed)) is not None:
        return UnusableLine(line=number, text=_shown(parsed.line), reason=problem, is_malformed=True)
    try:
        requirement = read_requirement(str(parsed.req))
    except RefusedTextError as error:
        return UnusableLine(line=number, text=_shown(parsed.line), reason=str(error), is_malformed=True)
    requirement.extras = set(parsed.extras or requirement.extras)
    requirement.marker = parsed.marker
    return RequirementLine(line=number, requirement=requirement, hashes=tuple(parsed.hash_options))


def _malformed_reason(parsed: InstallRequirement) -> str | None:
    """Say what the parser accepts and no installer can use; None if all is well."""
    if len(parsed.req.name) > _LONGEST_NAME:
        return f"the project's name has {len(parsed.req.name)} characters; {_LONGEST_NAME} are allowed"
    if not all(clause.version for clause in parsed.req.specifier):
        return "a version is missing after '==='"
    return next((f"{text[:_SHOWN]!r} is not {_HASH_FORM}" for text in parsed.hash_options if not _is_hash(text)), None)


def _is_hash(text: str) -> bool:
    """Return whether an installer could compare this hash with a file's."""
    algorithm, _, value = text.partition(":")
    return len(value) == _HASH_DIGITS.get(algorithm) and set(value) <= _HEXADECIMAL


def _read_option(parsed: OptionLine) -> Iterator[ParsedLine]:
    for option, values in parsed.options.items():
        if option in _NESTED:
            for name in values:
                yield NestedFile(line=parsed.line_number, name=name, is_constraints=_NESTED[option])
        else:
            # Its value may hold a password, so it is not repeated.
            text = f"--{_SPELLINGS.get(option, option.replace('_', '-'))}"
            reason = _REASONS.get(option, _IGNORED_OPTION)
            yield UnusableLine(line=parsed.line_number, text=text, reason=reason, is_wanted=False)


def _read_invalid(number: int, text: str, message: str) -> UnusableLine:
    """Report what the parser does not know; an option of a newer installer asks for nothing that an index has."""
    is_option = text.lstrip().startswith("--")
    reason = _invalid_reason(message)
    return UnusableLine(
        line=number, text=_shown(text), reason=reason, is_wanted=not is_option, is_malformed=not is_option
    )


def _invalid_reason(message: str) -> str:
    first = (message or "it is not understood").strip().splitlines()[0].removesuffix(":")
    plain = first.removeprefix("pip_requirements_parser: error: ").removeprefix("Invalid requirement: : ")
    return _shown(plain)


def _shown(text: str) -> str:
    """Shorten a line and leave out what may be a password in an address."""
    return without_users(" ".join(text.split()))[:_SHOWN]
