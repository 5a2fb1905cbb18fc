"""Compare a wheel with upstream's wheel and sdist, and print what differs."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

from wheelyard.adapters.host.parser_pool import ParserLimits, ParserProcesses
from wheelyard.adapters.resolver.sdists import read_sdist_facts
from wheelyard.assembly.parts import source_index
from wheelyard.cli.comparison.files import local_wheel
from wheelyard.cli.console import note, output, print_json
from wheelyard.cli.problem import ExitCode
from wheelyard.domain.builds.log_text import plain_line
from wheelyard.domain.comparison.wheels import Comparison, Difference
from wheelyard.errors import NotComparableError
from wheelyard.settings import Settings, load_settings
from wheelyard.usecases.comparison.compare import CompareWheel, Readers
from wheelyard.wheel_files.compared import explain_bytes, read_facts

_LIMITS: Final = ParserLimits(cpu_seconds=120.0, wall_seconds=600.0)
"""Every byte of a large wheel is read, which is more work than that of a text."""
_MOST_SHOWN: Final = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class CompareOptions:
    """What to compare a wheel with; None means upstream's."""

    other: Path | None = None
    sdist: Path | None = None
    exact: bool = False
    """Whether both wheels must have the same bytes."""
    url: str | None = None


def compare_file(wheel: str, options: CompareOptions, *, as_json: bool) -> ExitCode:
    """Print how a wheel differs; the exit code says whether a person should look at it."""
    settings = load_settings()
    if options.exact and options.other is None:
        raise NotComparableError(file=wheel, reason="--exact needs another wheel of one's own (--with)")
    for given in (options.other, options.sdist):
        if given is not None and not given.is_file():
            raise NotComparableError(file=wheel, reason=f"there is no file {given}")
    with local_wheel(wheel, settings, options.url, refused=NotComparableError) as path:
        comparison = asyncio.run(compare_wheels(path, options, settings))
    if as_json:
        print_json(asdict(comparison))
    else:
        for line in describe(comparison):
            output().print(plain_line(line), soft_wrap=True, markup=False, highlight=False)
        note(_sentence(comparison))
    return ExitCode.BUILD_FAILED if comparison.unexplained else ExitCode.OK


async def compare_wheels(path: Path, options: CompareOptions, settings: Settings) -> Comparison:
    """Return how a wheel differs from what the options name."""
    async with ParserProcesses(limits=_LIMITS) as parsers, source_index(settings, parsers=parsers) as source:
        compare = CompareWheel(
            source=source, parsers=parsers, readers=Readers(wheel=read_facts, sdist=read_sdist_facts, why=explain_bytes)
        )
        return await compare(path, other=options.other, sdist=options.sdist, exact=options.exact)


def describe(comparison: Comparison) -> Iterator[str]:
    """Yield the lines of a report: what a person should look at comes first."""
    yield comparison.wheel
    yield f"  beside   {comparison.other or 'no other wheel of the release'}"
    yield f"  and      {comparison.sdist or 'no sdist of the release'}"
    if comparison.is_identical:
        yield "  the two wheels are the same file, byte for byte"
    elif comparison.other is not None:
        yield f"  same     {count_of(comparison.identical_files, 'file')}"
    for is_explained, title in ((False, "look at"), (True, "explained")):
        chosen = [one for one in comparison.differences if one.is_explained is is_explained]
        if chosen:
            yield ""
            yield f"  {title}: {count_of(len(chosen), 'difference')}"
            yield from _listed(chosen)


def _listed(differences: Sequence[Difference]) -> Iterator[str]:
    """Yield differences by what they mean; of each meaning, the first few."""
    by_meaning = sorted(differences, key=lambda one: (one.kind, one.text, one.name))
    for (kind, text), group in groupby(by_meaning, key=lambda one: (one.kind, one.text)):
        names = [one.name for one in group]
        yield f"    {kind}: {text}"
        yield from (f"      {name}" for name in names[:_MOST_SHOWN])
        if len(names) > _MOST_SHOWN:
            yield f"      and {len(names) - _MOST_SHOWN} more; --json lists all"


def _sentence(comparison: Comparison) -> str:
    if not comparison.unexplained:
        return "nothing differs but what differs between honest builds of one source"
    found = count_of(len(comparison.unexplained), "difference")
    return f"{found} that nothing explains; a person should look at them"


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
