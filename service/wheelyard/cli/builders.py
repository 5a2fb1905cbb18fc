"""List, make, refresh, test and prune images with this host's engine."""

import asyncio
import functools
import json
import platform
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from wheelyard.adapters.archives.sources import DEBIAN, SourceArchive, read_source_indexes
from wheelyard.adapters.host.emulation import check_emulator
from wheelyard.adapters.host.files import write_atomic
from wheelyard.adapters.host.process import LineCallback
from wheelyard.adapters.images.builder import ImageBuilder
from wheelyard.adapters.images.checks import ImageReport, check_image
from wheelyard.adapters.images.contents import read_sbom
from wheelyard.adapters.images.names import find_image
from wheelyard.adapters.images.refresh import ImageUpkeep
from wheelyard.assembly.images import (
    architectures_of,
    image_builder,
    image_inventory,
    image_pruning,
    image_sources,
    image_upkeep,
    optimised_pythons,
)
from wheelyard.assembly.parts import Parts, read_catalogue
from wheelyard.cli.console import format_size, is_live, messages, note, output, print_json
from wheelyard.cli.problem import ExitCode
from wheelyard.domain.builds.log_text import plain_line
from wheelyard.domain.catalogue.catalogue import Catalogue, lay_over
from wheelyard.domain.catalogue.source_releases import (
    SourceRelease,
    add_entries,
    find_newer,
    newest_version,
    read_releases,
)
from wheelyard.domain.catalogue.status import ROLES, BuilderStatus, ImageSummary
from wheelyard.domain.catalogue.upkeep import ImageRefresh
from wheelyard.domain.packaging.target import Target
from wheelyard.errors import NotFoundError
from wheelyard.resources import data_path
from wheelyard.settings import load_settings

T = TypeVar("T")


def build_images(
    suite: str | None, *, python: str | None, architecture: str | None, optimised: bool, as_json: bool
) -> ExitCode:
    """Make a suite's builder image and runtime image, with an optimised Python if wanted, and print their ids."""
    parts = Parts(load_settings())
    chosen, version = suite or default_suite(parts), python or parts.default_python
    if optimised and architecture not in {None, platform.machine()}:
        raise NotFoundError(kind="Python to optimise", name=version, where=f"on {architecture}")
    images = builder_on(parts, architecture)
    if optimised:
        pythons = optimised_pythons(parts)
        with_progress(
            f"optimised Python {version} of {chosen}",
            lambda on_line: pythons.reporting_to(on_line).run_now(chosen, version),
        )
    builder = with_progress(
        f"builder of {chosen}", lambda on_line: images.reporting_to(on_line).ensure_builder(chosen, python=version)
    )
    runtime = with_progress(
        f"runtime of {chosen} with Python {version}",
        lambda on_line: images.reporting_to(on_line).ensure_runtime(chosen, version),
    )
    if as_json:
        machine = images.run.options.architecture
        print_json(
            {"suite": chosen, "python": version, "architecture": machine, "builder": builder, "runtime": runtime}
        )
    else:
        output().print(f"builder {builder}\nruntime {runtime}", soft_wrap=True)
    return ExitCode.OK


def builder_on(parts: Parts, architecture: str | None) -> ImageBuilder:
    """Return the builder of images for an architecture, by default this machine's.

    Raises:
        EmulatorMissingError: The kernel cannot run programs of that architecture.
    """
    images = image_builder(parts)
    if architecture is None or architecture == platform.machine():
        return images
    check_emulator(architecture)
    return images.on(architecture)


def warn_about(parts: Parts, suite: str) -> None:
    """Print the catalogue's warning about a suite, if it has one."""
    entry = parts.catalogue.suite.get(suite)
    if entry is not None and entry.warning:
        note(f"warning: {suite}: {entry.warning}")


def default_suite(parts: Parts) -> str:
    """Return the suite of the default target; raise UnknownTargetError."""
    target = Target.parse(python=parts.default_python, platform=parts.settings.default_platform)
    return parts.catalogue.builder_for(target).suite


def with_progress(label: str, make: Callable[[Callable[[str], None]], Awaitable[T]]) -> T:
    """Return what ``make`` returns; show its output meanwhile, with a spinner on a terminal, else as plain lines."""
    console = messages()

    async def run(on_line: Callable[[str], None]) -> T:
        return await make(on_line)

    if not is_live(console):
        return asyncio.run(run(lambda line: note(f"{label} | {plain_line(line)}")))
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        progress.add_task(label, total=None)
        return asyncio.run(run(lambda line: console.print(plain_line(line), style="dim", soft_wrap=True)))


_ID_DIGITS = 12


def list_builders(*, as_json: bool) -> ExitCode:
    """Print the catalogue's suites and this host's images of them."""
    inventory = image_inventory(Parts(load_settings()))
    builders = asyncio.run(inventory.describe())
    failed = asyncio.run(inventory.failed_optimisations())
    if as_json:
        print_json([asdict(builder) for builder in builders])
        return ExitCode.OK
    output().print(builder_table(builders))
    output().print()
    output().print(image_table(builders, now=datetime.now(tz=UTC)))
    for builder in builders:
        if builder.warning:
            note(f"warning: {builder.suite}: {builder.warning}")
    for image in (image for builder in builders for image in builder.images if image.stands_in):
        note(f"warning: {image.name} is used as a fallback, because its successor could not be made: {image.stands_in}")
    for one in failed:
        note(f"warning: Python {one.python} of {one.suite} stays as it was compiled first: {one.reason}")
    if not any(builder.images for builder in builders):
        note("no images yet: 'wheelyard builders build' or the first build makes them")
    return ExitCode.OK


def builder_table(builders: Sequence[BuilderStatus]) -> Table:
    """Return a table of the suites."""
    table = Table("SUITE", "KIND", "POLICY", "PYTHONS", "UPDATES", box=None, pad_edge=False)
    for one in builders:
        table.add_row(one.suite, one.kind, one.policy, ", ".join(one.pythons), _updates(one))
    return table


def _updates(builder: BuilderStatus) -> str:
    if builder.pending is None:
        return "not checked"
    changes, when = builder.pending.changes, builder.pending.checked.strftime("%Y-%m-%d")
    security = sum(change.is_security for change in changes)
    return f"{len(changes)} pending, {security} security ({when})" if changes else f"none ({when})"


def image_table(builders: Sequence[BuilderStatus], *, now: datetime) -> Table:
    """Return a table of the images."""
    table = Table("IMAGE", "PYTHON", "WITH", "ID", "SIZE", "AGE", "", box=None, pad_edge=False)
    for image in (image for builder in builders for image in builder.images):
        digits = image.id.rpartition(":")[2][:_ID_DIGITS]
        size, age = format_size(image.size_bytes), format_age((now - image.created).total_seconds())
        table.add_row(image.name, image.python, image.added, digits, size, age, _state(image))
    return table


def _state(image: ImageSummary) -> str:
    if image.stands_in:
        return "fallback"
    return ("optimised" if image.optimised else "") if image.current else "outdated"


def format_age(seconds: float) -> str:
    """Return an age in its largest unit."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return "now"


def refresh_images(suite: str | None, *, check_only: bool, as_json: bool) -> ExitCode:
    """Refresh the images of this host, or only look for updates, and print what changed."""
    parts = Parts(load_settings())
    reports: list[ImageRefresh] = []
    for architecture in architectures_of(parts):
        upkeep = image_upkeep(parts, architecture)
        for name in [suite] if suite else list(parts.catalogue.on(architecture).buildable_suites):
            warn_about(parts, name)
            make = functools.partial(_refresh, upkeep, name, check_only=check_only)
            reports += with_progress(f"updates of {name} on {architecture}", make)
    if as_json:
        print_json([asdict(report) for report in reports])
        return ExitCode.OK
    output().print(change_table(reports))
    for report in reports:
        note(f"{report.image}: {_summary(report)}")
    if not reports:
        note("no images yet, nothing to refresh")
    return ExitCode.OK


async def _refresh(
    upkeep: ImageUpkeep, suite: str, on_line: LineCallback, *, check_only: bool
) -> tuple[ImageRefresh, ...]:
    logged = upkeep.reporting_to(on_line)
    return await (logged.check(suite) if check_only else logged.refresh(suite))


def print_last_refreshes(suite: str | None, *, as_json: bool) -> ExitCode:
    """Print what the last refresh of each suite, or of one suite, changed on this host."""
    parts = Parts(load_settings())
    upkeep = image_upkeep(parts, platform.machine())
    suites = [suite] if suite else list(parts.catalogue.on(platform.machine()).buildable_suites)
    kept = {name: asyncio.run(upkeep.last_report(name)) for name in suites}
    if as_json:
        print_json({name: asdict(report) for name, report in kept.items() if report is not None})
        return ExitCode.OK
    for name, report in kept.items():
        if report is None:
            note(f"{name}: no image has been rebuilt yet")
            continue
        note(f"{name}: {report.at:%Y-%m-%d %H:%M} UTC")
        output().print(change_table(report.images))
    return ExitCode.OK


def _summary(report: ImageRefresh) -> str:
    if report.problem:
        return f"{len(report.pending)} updates pending; the rebuild failed: {report.problem}"
    if report.refreshed:
        return f"rebuilt, {len(report.changes)} packages changed"
    return f"{len(report.pending)} updates pending" if report.pending else "up to date"


def change_table(reports: Sequence[ImageRefresh]) -> Table:
    """Return a table of the packages that changed, or that a refresh would change."""
    table = Table("IMAGE", "PACKAGE", "FROM", "TO", "", box=None, pad_edge=False)
    for report in reports:
        for change in report.changes if report.refreshed else report.pending:
            kind = "security" if change.is_security else ""
            table.add_row(report.image, change.package, change.from_version, change.to_version, kind)
    return table


def check_images(suite: str | None, *, python: str | None, architecture: str | None, as_json: bool) -> ExitCode:
    """Test a suite's images against the contract of images; make them first if they are missing."""
    parts = Parts(load_settings())
    chosen, version = suite or default_suite(parts), python or parts.default_python
    images = builder_on(parts, architecture)
    reports = with_progress(f"tests of {chosen}", lambda on_line: _check(images, chosen, version, on_line))
    if as_json:
        print_json([{**asdict(report), "passed": report.passed} for report in reports])
    else:
        for report in reports:
            _print_report(report)
    return ExitCode.OK if all(report.passed for report in reports) else ExitCode.OPERATOR


async def _check(made_by: ImageBuilder, suite: str, python: str, on_line: LineCallback) -> list[ImageReport]:
    images = made_by.reporting_to(on_line)
    engine = images.run.engine
    ids = [await images.ensure_builder(suite, python=python), await images.ensure_runtime(suite, python)]
    found = [await find_image(engine, one) for one in ids]
    probes = data_path("builders") / "probes"
    return [await check_image(engine, image, probes=probes) for image in found if image is not None]


def _print_report(report: ImageReport) -> None:
    output().print(f"{report.image}  {format_size(report.size_bytes)}", style="bold", soft_wrap=True)
    for check in report.checks:
        mark = "FAIL" if check.problems else "ok"
        output().print(f"  {mark:<4}  {check.promise}", soft_wrap=True)
        for problem in check.problems[:10]:
            output().print(f"          {problem}", soft_wrap=True)
    for part, size in report.part_sizes[:8]:
        output().print(f"  {format_size(size):>10}  {part}")


def print_sbom(suite: str | None, *, python: str | None, role: str, image: str | None) -> ExitCode:
    """Print the SBOM of an image that this host has."""
    parts = Parts(load_settings())
    chosen, version = suite or default_suite(parts), python or parts.default_python
    print_json(json.loads(asyncio.run(_read_sbom(parts, image or (chosen, version, role)))))
    return ExitCode.OK


async def _read_sbom(parts: Parts, wanted: str | tuple[str, str, str]) -> str:
    engine = parts.engine
    name = wanted if isinstance(wanted, str) else await _name_image(parts, *wanted)
    image = await find_image(engine, name)
    if image is None or not image.name or image.role not in ROLES:
        raise NotFoundError(kind="image", name=name)
    return await read_sbom(engine, image.id)


async def _name_image(parts: Parts, suite: str, python: str, role: str) -> str:
    images = image_builder(parts)
    name = images.builder_name if role == "builder" else images.runtime_name
    return (await name(suite, python)).tag


def prune_images(*, budget_bytes: int | None, as_json: bool) -> ExitCode:
    """Remove replaced images, and environments and toolchains until the rest fits the budget."""
    settings = load_settings()
    if budget_bytes is not None:
        settings = settings.model_copy(update={"environment_budget_bytes": budget_bytes})
    removed = asyncio.run(image_pruning(Parts(settings)).prune())
    if as_json:
        print_json([asdict(image) for image in removed])
        return ExitCode.OK
    for image in removed:
        output().print(f"removed {image.name}  {format_size(image.size_bytes)}", soft_wrap=True)
    note(f"{len(removed)} removed; the budget is {format_size(settings.environment_budget_bytes)}")
    return ExitCode.OK


@dataclass(frozen=True, kw_only=True, slots=True)
class OutdatedOptions:
    """Where newer releases of Python are looked for, and what becomes of them."""

    suites: Sequence[str]
    """Suites of Debian's archive."""
    mirror: str | None
    keyring: Path
    write: Path | None
    """The catalogue that the entries are added to."""


def show_outdated(options: OutdatedOptions, *, as_json: bool) -> ExitCode:
    """Print newer releases of the catalogue's Pythons, and add their entries to a catalogue."""
    parts = Parts(load_settings())
    settings = parts.settings
    archive = SourceArchive(
        mirror=(options.mirror or settings.apt_mirror or DEBIAN).rstrip("/"),
        suites=tuple(options.suites),
        keyring=options.keyring.absolute(),
        ca_bundle=settings.ca_bundle,
        proxy=settings.image_proxy.get_secret_value() if settings.image_proxy else None,
    )
    # A file that is added to again and again knows more than the catalogue that the service runs with.
    catalogue = read_catalogue(options.write) if options.write and options.write.exists() else parts.catalogue
    indexes = with_progress("index of sources", lambda _: read_source_indexes(archive))
    for problem in indexes.problems:
        note(plain_line(problem))
    newer = find_newer(catalogue, (one for text in indexes.texts for one in read_releases(text)))
    found = asyncio.run(_answers_of(parts, archive, newer))
    if options.write and newer:
        _add_to(options.write, newer, catalogue)
    if as_json:
        print_json([_as_json(one, answer) for one, answer in found])
        return ExitCode.OK
    if not newer:
        note(f"no Python of the catalogue has a newer release in {', '.join(archive.suites)}")
    for one, answer in found:
        _print_newer(one, answer, catalogue)
    if newer:
        note(f"added to {options.write}" if options.write else "'--write FILE' adds these entries to a catalogue")
    return ExitCode.OK


async def _answers_of(
    parts: Parts, archive: SourceArchive, newer: Sequence[SourceRelease]
) -> list[tuple[SourceRelease, str]]:
    """Return with each release why its mirror does not have it; empty if it does."""
    sources = image_sources(parts)
    async with sources.open() as client:
        answers = [await sources.probe(client, f"{archive.mirror}/{one.path}") for one in newer]
    return [(one, answer.problem) for one, answer in zip(newer, answers, strict=True)]


def _as_json(release: SourceRelease, answer: str) -> dict[str, str | bool]:
    fields = {name: getattr(release, name) for name in ("line", "version", "sha256", "path", "entry")}
    return {**fields, "reachable": not answer, "answer": answer}


def _print_newer(release: SourceRelease, answer: str, catalogue: Catalogue) -> None:
    entry = catalogue.python.get(release.line)
    state = "the mirror has it" if not answer else f"the mirror does not have it: {answer}"
    before = f"the catalogue has {newest_version(entry.source)}" if entry else "the catalogue has no such Python"
    output().print(f"Python {release.version}", style="bold")
    output().print(f"  {before}; {state}\n", soft_wrap=True)
    output().print(release.entry, soft_wrap=True, markup=False, highlight=False)


def _add_to(file: Path, newer: Sequence[SourceRelease], catalogue: Catalogue) -> None:
    """Add entries to a catalogue, unless the result would not be valid; raise CatalogueInvalidError then."""
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    text = add_entries(before, newer, {line: entry.source for line, entry in catalogue.python.items()})
    shipped = (data_path("builders") / "builders.toml").read_text(encoding="utf-8")
    lay_over(shipped, text, source=str(file))
    write_atomic(file, text, mode=0o644)
