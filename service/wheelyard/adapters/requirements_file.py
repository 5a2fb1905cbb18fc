"""Parse the text of a requirements file as pip does, with a library that carries pip's own parser.

Must not follow what the text names: no other file is opened, no variable of the environment is put in.
https://pip.pypa.io/en/stable/reference/requirements-file-format/
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pip_requirements_parser import EditableRequirement, InstallRequirement, OptionLine, RequirementsFile

from wheelyard.domain.addresses import without_users
from wheelyard.domain.requirements_text import NestedFile, ParsedLine, RequirementLine, UnusableLine
from wheelyard.domain.untrusted.requirements import read_requirement

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


def parse_requirements(text: str) -> tuple[ParsedLine, ...]:
    """Read each line of a requirements file, in their order."""
    with tempfile.TemporaryDirectory(prefix="wheelyard-requirements-") as folder:
        path = Path(folder, "requirements.txt")
        path.write_text(text.replace("\0", "\N{REPLACEMENT CHARACTER}"), encoding="utf-8", errors="replace")
        parsed = RequirementsFile.from_file(str(path), include_nested=False)
    lines = [
        *map(_read_requirement, parsed.requirements),
        *(line for option in parsed.options for line in _read_option(option)),
        *(_read_invalid(line.line_number, line.line, line.error_message) for line in parsed.invalid_lines),
    ]
    return tuple(sorted(lines, key=lambda line: line.line))


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
    requirement = read_requirement(str(parsed.req))
    requirement.extras = set(parsed.extras or requirement.extras)
    requirement.marker = parsed.marker
    return RequirementLine(line=number, requirement=requirement, hashes=tuple(parsed.hash_options))


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
    wanted = not text.lstrip().startswith("--")
    return UnusableLine(line=number, text=_shown(text), reason=_invalid_reason(message), is_wanted=wanted)


def _invalid_reason(message: str) -> str:
    first = (message or "it is not understood").strip().splitlines()[0].removesuffix(":")
    return first.removeprefix("pip_requirements_parser: error: ").removeprefix("Invalid requirement: : ")


def _shown(text: str) -> str:
    """Shorten a line and leave out what may be a password in an address."""
    return without_users(" ".join(text.split()))[:_SHOWN]
