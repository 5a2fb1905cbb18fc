"""Stages of a Dockerfile: those that a target is made from, and no others. Must not build anything.

It reads what builders/Dockerfile is written in, and not all that a Dockerfile may be.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

_STAGE: Final = re.compile(r"^(?=FROM )", re.MULTILINE)
_FROM: Final = re.compile(r"FROM (?P<below>\S+) AS (?P<name>\S+)\n")
_COPY: Final = re.compile(r"^COPY --from=(\S+) ", re.MULTILINE)
_DEFAULT: Final = re.compile(r"^ARG (\w+)=(\S+)$", re.MULTILINE)
_VARIABLE: Final = re.compile(r"\$\{(\w+)\}")


def select_stages(dockerfile: str, target: str, arguments: Mapping[str, str]) -> str:
    """Give the Dockerfile up to a stage, without the stages that this one does not need.

    Args:
        dockerfile: text of a Dockerfile whose stages all have names.
        target: name of the stage that is wanted.
        arguments: values of its ARGs; one that names an image takes the place of the stage that is the default.

    Raises:
        ValueError: there is no such stage.
    """
    head, *stages = _STAGE.split(dockerfile)
    values = {**dict(_DEFAULT.findall(head)), **arguments}
    wanted, chosen = {target}, list[str]()
    for stage in reversed(stages):
        if _name(stage) in wanted:
            chosen.insert(0, stage)
            wanted |= set(_needs(stage, values))
    if not chosen:
        raise ValueError(f"the Dockerfile has no stage {target!r}, only {', '.join(map(_name, stages))}")
    return "".join([head, *chosen])


def _name(stage: str) -> str:
    match = _FROM.match(stage)
    if match is None:
        raise ValueError(f"a stage of the Dockerfile has no name: {stage.partition(chr(10))[0]}")
    return match["name"]


def _needs(stage: str, values: Mapping[str, str]) -> Iterator[str]:
    """Name what a stage starts from and what it copies from, images among it."""
    below = stage.split(maxsplit=2)[1]
    yield _VARIABLE.sub(lambda match: values.get(match[1], match[0]), below)
    yield from _COPY.findall(stage)
