"""What became of each fault, for the table that a run ends with."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Recovery:
    """One fault at one stage, and how it was got over."""

    fault: str
    stage: str
    outcome: str
    """How the build's attempts ended."""
    seconds: float
    """From the fault to the build's end; the build itself needs some seconds, too."""


def render(recoveries: Iterable[Recovery]) -> Iterator[str]:
    """Draw the table, in Markdown."""
    yield "| fault | stage | outcome | seconds to recover |"
    yield "|---|---|---|---|"
    for one in recoveries:
        yield f"| {one.fault} | {one.stage} | {one.outcome} | {one.seconds:.1f} |"
