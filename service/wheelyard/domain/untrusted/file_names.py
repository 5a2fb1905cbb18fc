"""Names of distributions from indexes, containers and callers (PEP 427, 625, 425)."""

import math
import re
from typing import Final, NamedTuple

from packaging.tags import Tag, parse_tag
from packaging.utils import (
    BuildTag,
    InvalidName,
    NormalizedName,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.versions import MAX_VERSION

_SHOWN: Final = 80
MAX_NAME: Final = 255
"""Maximum bytes of a file name, as in Linux's file systems."""
MAX_TAGS: Final = 1000
"""Maximum tags that a compressed tag stands for: the product of its parts."""


_HASH: Final = re.compile(r"[a-z0-9_]{1,20}:[0-9A-Fa-f]{1,256}")


class WheelName(NamedTuple):
    """The parts of a wheel's file name."""

    project: NormalizedName
    version: Version
    build: BuildTag
    tags: frozenset[Tag]


class SdistName(NamedTuple):
    """The parts of an sdist's file name."""

    project: NormalizedName
    version: Version


def read_project_name(text: object) -> NormalizedName:
    """Parse a project's name, which becomes part of URLs; raise RefusedTextError."""
    if not isinstance(text, str) or len(text) > MAX_NAME:
        raise RefusedTextError(f"{str(text)[:_SHOWN]!r} is not the name of a project")
    try:
        return canonicalize_name(text, validate=True)
    except InvalidName as error:
        raise RefusedTextError(f"{text[:_SHOWN]!r} is not the name of a project") from error


def read_hash(text: object) -> str:
    """Parse a file's hash with its algorithm, such as ``sha256:00…``; raise RefusedTextError."""
    if not isinstance(text, str) or _HASH.fullmatch(text) is None:
        raise RefusedTextError(f"{str(text)[:_SHOWN]!r} is not the hash of a file")
    return text


def read_wheel_name(filename: str) -> WheelName:
    """Parse a wheel's file name; raise RefusedTextError."""
    if len(filename) > MAX_NAME:
        raise RefusedTextError(f"a file name has {len(filename)} characters; {MAX_NAME} are allowed")
    _check_tag("-".join(filename.removesuffix(".whl").split("-")[-3:]))
    _check_numbers(filename)
    try:
        return WheelName(*parse_wheel_filename(filename))
    except ValueError as error:
        raise RefusedTextError(str(error)) from error


def find_wheel_name(filename: str) -> WheelName | None:
    """Parse a wheel's file name; return None if it is not one."""
    try:
        return read_wheel_name(filename)
    except RefusedTextError:
        return None


def read_sdist_name(filename: str) -> SdistName:
    """Parse an sdist's file name (PEP 625, and zip archives as before it); raise RefusedTextError."""
    if len(filename) > MAX_NAME:
        raise RefusedTextError(f"a file name has {len(filename)} characters; {MAX_NAME} are allowed")
    if not filename.isprintable() or " " in filename:
        raise RefusedTextError(f"{filename[:_SHOWN]!r} is not the file name of an sdist")
    _check_numbers(filename)
    try:
        _, version = parse_sdist_filename(filename)
    except ValueError as error:
        raise RefusedTextError(str(error)) from error
    # packaging does not check the characters of the name.
    return SdistName(read_project_name(filename.rpartition("-")[0]), version)


def find_sdist_name(filename: str) -> SdistName | None:
    """Parse an sdist's file name; return None if it is not one."""
    try:
        return read_sdist_name(filename)
    except RefusedTextError:
        return None


def read_tag(text: str) -> frozenset[Tag]:
    """Parse a tag that may be compressed, such as ``py2.py3-none-any``; raise RefusedTextError."""
    _check_tag(text)
    try:
        return parse_tag(text)
    except ValueError as error:
        raise RefusedTextError(f"{text[:MAX_NAME]!r} is not a wheel tag") from error


def _check_tag(text: str) -> None:
    if math.prod(part.count(".") + 1 for part in text.split("-")) > MAX_TAGS:
        raise RefusedTextError(f"a tag stands for more than {MAX_TAGS} tags")


def _check_numbers(filename: str) -> None:
    if any(len(part) > MAX_VERSION and any(map(str.isdigit, part)) for part in filename.split("-")):
        raise RefusedTextError(f"a part of a file name is longer than the {MAX_VERSION} characters of a version")
