"""The types of values in recipes, each with its check and its JSON schema."""

import difflib
import re
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath
from typing import Annotated, Final

from packaging.utils import canonicalize_name
from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema

from wheelyard.domain.packaging.target import Policy
from wheelyard.domain.toolchain import ToolchainNeed
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.requirements import read_requirement
from wheelyard.domain.untrusted.versions import read_specifiers

_UNITS: Final = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_SIZE: Final = r"(?P<number>[0-9]+(?:\.[0-9]+)?) ?(?P<unit>KiB|MiB|GiB|TiB)"
_DURATION: Final = r"(?=[0-9])(?:(?P<hours>[0-9]+)h)?(?:(?P<minutes>[0-9]+)min)?(?:(?P<seconds>[0-9]+)s)?"
_POLICY: Final = r"(?P<operator>==|!=|<=|>=|<|>)?(?P<family>manylinux|musllinux)_(?P<major>[0-9]+)_(?P<minor>[0-9]+)"
_PYTHONS: Final = tuple(f"3.{minor}" for minor in range(100))
"""Possible Pythons of a target."""
BOOK_SUITES: Final = frozenset({"bookworm", "bullseye", "trixie"})
"""Suites that the built-in recipes name."""


def _matching(pattern: str, what: str) -> tuple[AfterValidator, WithJsonSchema]:
    def check(text: str) -> str:
        if re.fullmatch(pattern, text) is None:
            raise ValueError(f"{text!r} is not {what}")
        return text

    return AfterValidator(check), _schema(what, pattern)


def _schema(what: str, pattern: str | None = None) -> WithJsonSchema:
    """Return the JSON schema of a text. Its patterns are JavaScript's, which has no named groups like Python's."""
    plain = {} if pattern is None else {"pattern": "^(?:" + re.sub(r"\?P<[a-z]+>", "", pattern) + ")$"}
    return WithJsonSchema({"type": "string", "description": what[0].upper() + what[1:] + "."} | plain)


def _check_specifier(text: str) -> str:
    try:
        read_specifiers(text)
    except RefusedTextError as error:
        raise ValueError(f"{text!r} is not a version specifier") from error
    return text


def _check_satisfiable(text: str) -> str:
    if read_specifiers(_check_specifier(text)).is_unsatisfiable():
        raise ValueError(f"no version is in {text!r}, so the rule would never apply")
    return text


def _check_pythons(text: str) -> str:
    if not any(map(read_specifiers(_check_specifier(text)).contains, _PYTHONS)):
        raise ValueError(f"no Python is in {text!r}, so the rule would never apply; Pythons have the form 3.13")
    return text


def _check_suite(text: str, info: ValidationInfo) -> str:
    """Check that the suite exists, if the known suites are in the context."""
    suites: Collection[str] = (info.context or {}).get("suites", [text])
    if text not in suites:
        nearest = difflib.get_close_matches(text, suites, n=1)
        guess = f", did you mean {nearest[0]!r}?" if nearest else f": there are {', '.join(sorted(suites))}"
        raise ValueError(f"there is no suite {text!r}{guess}")
    return text


def _check_toolchain(text: str) -> str:
    return str(ToolchainNeed.parse(text))


def _check_requirement(text: str) -> str:
    try:
        requirement = read_requirement(text)
    except RefusedTextError as error:
        raise ValueError(f"{text!r} is not a requirement (PEP 508)") from error
    if requirement.url is not None:
        raise ValueError(f"{text!r} names an address: only projects of the index can be required")
    return text


def _check_constraint(text: str) -> str:
    if read_requirement(_check_requirement(text)).extras:
        raise ValueError(f"{text!r} names extras, which a constraint cannot")
    return text


def _check_normalised(text: str, info: ValidationInfo) -> str:
    if text != canonicalize_name(text):
        raise ValueError(f"{text!r} is not normalised, write {canonicalize_name(text)!r}")
    expected = (info.context or {}).get("project", text)
    if text != expected:
        raise ValueError(f"{text!r} is not what the file is named after: {expected!r}")
    return text


def _check_inside(text: str) -> str:
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ValueError(f"{text!r} is not a path inside the folder")
    return f"{path}/" if text.endswith("/") else str(path)


def _check_policy(text: str) -> str:
    Policy.parse(f"{text}_any")
    return text


def _check_policies(text: str) -> str:
    parts = [re.fullmatch(_POLICY, part.strip()) for part in text.split(",")]
    if not all(parts):
        raise ValueError(f"{text!r} is not a range of policies, such as '>=manylinux_2_28,<manylinux_2_36'")
    found = [part for part in parts if part is not None]
    if len({part["family"] for part in found}) > 1 or read_specifiers(",".join(map(_bound, found))).is_unsatisfiable():
        raise ValueError(f"no policy is in {text!r}, so the rule would never apply")
    return text


def policy_matches(text: str, policy: Policy) -> bool:
    """Return whether a policy is in a range such as ``>=manylinux_2_28``; a plain name only matches itself."""
    return all(_part_matches(part.strip(), policy) for part in text.split(","))


def _part_matches(part: str, policy: Policy) -> bool:
    match = re.fullmatch(_POLICY, part)
    if match is None or match["family"] != "manylinux":
        return False
    return read_specifiers(_bound(match)).contains(f"{policy.glibc[0]}.{policy.glibc[1]}")


def _bound(match: re.Match[str]) -> str:
    return f"{match['operator'] or '=='}{match['major']}.{match['minor']}"


def parse_size(text: object) -> int:
    """Return the bytes of a size such as ``4GiB``; raise ValueError."""
    match = re.fullmatch(_SIZE, text) if isinstance(text, str) else None
    if match is None or not (size := int(float(match["number"]) * _UNITS[match["unit"]])):
        raise ValueError(f"{text!r} is not a size, such as '4GiB' or '512MiB'")
    return size


def parse_duration(text: object) -> int:
    """Return the seconds of a time such as ``2h``, ``90s`` or ``1h30min``; raise ValueError."""
    match = re.fullmatch(_DURATION, text) if isinstance(text, str) else None
    hours, minutes, seconds = (int(part or 0) for part in match.groups()) if match else (0, 0, 0)
    if not (total := hours * 3600 + minutes * 60 + seconds):
        raise ValueError(f"{text!r} is not a time, such as '2h', '1h30min' or '90s'")
    return total


def _check_setting(value: object) -> str | tuple[str, ...]:
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise ValueError("a setting is a text or a list of texts")


def _file_in(folder: str) -> AfterValidator:
    """Return a check that the recipe has the file, if its files are in the context."""

    def check(text: str, info: ValidationInfo) -> str:
        files: Mapping[str, object] | None = (info.context or {}).get("files")
        if files is not None and f"{folder}/{text}" not in files:
            raise ValueError(f"there is no file {folder}/{text} beside the recipe.toml of the recipe's folder")
        return text

    return AfterValidator(check)


_DEBIAN_NAME: Final = _matching(r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?", "a Debian package name")
_DEBIAN_CHOICE: Final = _matching(
    r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?(/[a-z][a-z0-9-]*)?",
    "a Debian package name, or one with a release after a slash",
)
_FILE_NAME: Final = _matching(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*", "a file name")

VersionRange = Annotated[str, AfterValidator(_check_satisfiable), _schema("a version specifier (PEP 440)")]
PythonRange = Annotated[str, AfterValidator(_check_pythons), _schema("a version specifier (PEP 440)")]
PolicyRange = Annotated[str, AfterValidator(_check_policies), _schema("a range of policies")]
PolicyName = Annotated[str, AfterValidator(_check_policy), _schema("a policy", r"manylinux_[0-9]+_[0-9]+")]
ArchitectureName = Annotated[str, *_matching(r"x86_64|aarch64|i686|armv7l|ppc64le|s390x|riscv64", "an architecture")]
SuiteText = Annotated[str, *_matching(r"[a-z][a-z0-9-]*", "a suite's name"), AfterValidator(_check_suite)]
PackageName = Annotated[str, *_DEBIAN_NAME]
PackageChoice = Annotated[str, *_DEBIAN_CHOICE]
RpmName = Annotated[str, *_matching(r"[A-Za-z0-9][A-Za-z0-9+._-]*(\([A-Za-z0-9+._:-]+\))?", "an RPM package name")]
AlpineName = Annotated[str, *_matching(r"[a-z0-9][a-z0-9+._-]*", "an Alpine package name")]
ToolchainText = Annotated[
    str, AfterValidator(_check_toolchain), _schema("a toolchain", r"(rust|fortran|java|bazel)(\s*>=\s*[0-9.]+)?")
]
ModuleName = Annotated[str, *_matching(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", "an importable module name")]
ProjectName = Annotated[str, AfterValidator(_check_normalised), _schema("a normalised project name")]
VariableName = Annotated[str, *_matching(r"[A-Za-z_][A-Za-z0-9_]*", "an environment variable name")]
RequirementText = Annotated[str, AfterValidator(_check_requirement), _schema("a requirement (PEP 508)")]
ConstraintText = Annotated[str, AfterValidator(_check_constraint), _schema("a requirement without extras")]
DroppedName = Annotated[
    str, *_matching(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", "a project name"), AfterValidator(canonicalize_name)
]
SonamePattern = Annotated[str, *_matching(r"[A-Za-z0-9_.+*?\[\]-]+", "a soname, in which * and ? may stand")]
LicensePattern = Annotated[
    str, *_matching(r"[A-Za-z0-9.+*?-][A-Za-z0-9 .+*?-]{0,99}", "an SPDX license, in which * and ? may stand")
]
Sha256Text = Annotated[str, *_matching(r"[0-9a-f]{64}", "a sha256 in lower-case hexadecimal")]
SourceUrl = Annotated[str, *_matching(r"https?://[^\s]+", "an http or https address")]
InsidePath = Annotated[str, AfterValidator(_check_inside), _schema("a path inside the source tree")]
SizeBytes = Annotated[int, BeforeValidator(parse_size), _schema("a size, such as 4GiB", _SIZE)]
Seconds = Annotated[int, BeforeValidator(parse_duration), _schema("a time, such as 2h or 1h30min", _DURATION)]
SettingValue = Annotated[
    str | tuple[str, ...],
    BeforeValidator(_check_setting),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
PatchFile = Annotated[str, *_FILE_NAME, _file_in("patches")]
HookFile = Annotated[str, *_FILE_NAME, _file_in("hooks")]
TestFile = Annotated[str, *_FILE_NAME, _file_in("tests")]
FilledText = Annotated[str, Field(min_length=1)]
Processors = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=0, strict=True)]
Flag = Annotated[bool, Field(strict=True)]
