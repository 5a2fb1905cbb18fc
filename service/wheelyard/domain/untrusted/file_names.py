"""Names of distributions, as indexes, containers and callers give them (PEP 427, 625, 425)."""

import math
from typing import Final, NamedTuple

from packaging.tags import Tag, parse_tag
from packaging.utils import BuildTag, NormalizedName, parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.versions import MAX_VERSION

MAX_NAME: Final = 255
"""Bytes of a file's name: no file system of ours holds longer ones."""
MAX_TAGS: Final = 1000
"""That a compressed tag stands for: the product of its parts."""


class WheelName(NamedTuple):
    """What a wheel's file name says."""

    project: NormalizedName
    version: Version
    build: BuildTag
    tags: frozenset[Tag]


def read_wheel_name(filename: str) -> WheelName:
    """Read a wheel's file name; raises RefusedTextError."""
    if len(filename) > MAX_NAME:
        raise RefusedTextError(f"a file name has {len(filename)} characters; {MAX_NAME} are allowed")
    _check_tag("-".join(filename.removesuffix(".whl").split("-")[-3:]))
    _check_numbers(filename)
    try:
        return WheelName(*parse_wheel_filename(filename))
    except ValueError as error:
        raise RefusedTextError(str(error)) from error


def find_wheel_name(filename: str) -> WheelName | None:
    """Read a wheel's file name; None if it is none."""
    try:
        return read_wheel_name(filename)
    except RefusedTextError:
        return None


def read_sdist_name(filename: str) -> tuple[NormalizedName, Version]:
    """Read an sdist's file name; raises RefusedTextError."""
    if len(filename) > MAX_NAME:
        raise RefusedTextError(f"a file name has {len(filename)} characters; {MAX_NAME} are allowed")
    _check_numbers(filename)
    try:
        return parse_sdist_filename(filename)
    except ValueError as error:
        raise RefusedTextError(str(error)) from error


def read_tag(text: str) -> frozenset[Tag]:
    """Read a tag that may be compressed, such as ``py2.py3-none-any``; raises RefusedTextError."""
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
