"""Refresh, test and prune this host's images. Must not decide which image needs it."""

import asyncio
import functools
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict

from rich.table import Table

from wheelyard.adapters.host.process import LineCallback
from wheelyard.adapters.images.checks import ImageReport, check_image
from wheelyard.adapters.images.contents import read_sbom
from wheelyard.adapters.images.names import find_image
from wheelyard.assembly.images import catalogue, engine_command, image_builder, image_pruning, image_upkeep
from wheelyard.cli.builders import default_suite, warn_about, with_progress
from wheelyard.cli.console import format_size, note, output, print_json
from wheelyard.cli.exit_codes import ExitCode
from wheelyard.domain.catalogue.status import ROLES
from wheelyard.domain.catalogue.upkeep import ImageRefresh
from wheelyard.errors import NotFoundError
from wheelyard.resources import data_path
from wheelyard.settings import Settings, load_settings


def refresh_images(suite: str | None, *, check_only: bool, as_json: bool) -> ExitCode:
    """Bring updates into the images that this host has, or only look for them."""
    settings = load_settings()
    upkeep = image_upkeep(settings)
    reports: list[ImageRefresh] = []
    for name in [suite] if suite else list(catalogue(settings).on(platform.machine()).buildable_suites):
        warn_about(settings, name)
        act = upkeep.check if check_only else upkeep.refresh
        reports += with_progress(f"updates of {name}", functools.partial(act, name))
    if as_json:
        print_json([asdict(report) for report in reports])
        return ExitCode.OK
    output().print(change_table(reports))
    for report in reports:
        note(f"{report.image}: {_summary(report)}")
    if not reports:
        note("no image yet, so nothing to refresh")
    return ExitCode.OK


def print_last_refreshes(suite: str | None, *, as_json: bool) -> ExitCode:
    """Print what the last refresh of each suite, or of one, changed on this host."""
    settings = load_settings()
    upkeep = image_upkeep(settings)
    suites = [suite] if suite else list(catalogue(settings).on(platform.machine()).buildable_suites)
    kept = {name: asyncio.run(upkeep.last_report(name)) for name in suites}
    if as_json:
        print_json({name: asdict(report) for name, report in kept.items() if report is not None})
        return ExitCode.OK
    for name, report in kept.items():
        if report is None:
            note(f"{name}: no image was made anew yet")
            continue
        note(f"{name}: {report.at:%Y-%m-%d %H:%M} UTC")
        output().print(change_table(report.images))
    return ExitCode.OK


def _summary(report: ImageRefresh) -> str:
    if report.problem:
        return f"{len(report.pending)} updates pending; it could not be made anew: {report.problem}"
    if report.refreshed:
        return f"made anew, {len(report.changes)} packages changed"
    return f"{len(report.pending)} updates pending" if report.pending else "up to date"


def change_table(reports: Sequence[ImageRefresh]) -> Table:
    """Show what changed, or what would."""
    table = Table("IMAGE", "PACKAGE", "FROM", "TO", "", box=None, pad_edge=False)
    for report in reports:
        for change in report.changes if report.refreshed else report.pending:
            kind = "security" if change.is_security else ""
            table.add_row(report.image, change.package, change.from_version, change.to_version, kind)
    return table


def check_images(suite: str | None, *, python: str | None, as_json: bool) -> ExitCode:
    """Test a suite's images by their own promises, made first if they are missing."""
    settings = load_settings()
    chosen, version = suite or default_suite(settings), python or settings.default_python
    reports = with_progress(f"tests of {chosen}", lambda on_line: _check(settings, chosen, version, on_line))
    if as_json:
        print_json([{**asdict(report), "passed": report.passed} for report in reports])
    else:
        for report in reports:
            _print_report(report)
    return ExitCode.OK if all(report.passed for report in reports) else ExitCode.OPERATOR


async def _check(settings: Settings, suite: str, python: str, on_line: LineCallback) -> list[ImageReport]:
    images, engine = image_builder(settings), engine_command(settings)
    ids = [
        await images.ensure_builder(suite, on_line, python=python),
        await images.ensure_runtime(suite, python, on_line),
    ]
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
    settings = load_settings()
    chosen, version = suite or default_suite(settings), python or settings.default_python
    print_json(json.loads(asyncio.run(_read_sbom(settings, image or (chosen, version, role)))))
    return ExitCode.OK


async def _read_sbom(settings: Settings, wanted: str | tuple[str, str, str]) -> str:
    engine = engine_command(settings)
    name = wanted if isinstance(wanted, str) else await _name_image(settings, *wanted)
    image = await find_image(engine, name)
    if image is None or not image.name or image.role not in ROLES:
        raise NotFoundError(kind="image", name=name)
    return await read_sbom(engine, image.id)


async def _name_image(settings: Settings, suite: str, python: str, role: str) -> str:
    images = image_builder(settings)
    name = images.builder_name if role == "builder" else images.runtime_name
    return (await name(suite, python)).tag


def prune_images(*, budget_bytes: int | None, as_json: bool) -> ExitCode:
    """Remove superseded images, and environments and toolchains until the rest fits the budget."""
    settings = load_settings()
    if budget_bytes is not None:
        settings = settings.model_copy(update={"environment_budget_bytes": budget_bytes})
    removed = asyncio.run(image_pruning(settings).prune())
    if as_json:
        print_json([asdict(image) for image in removed])
        return ExitCode.OK
    for image in removed:
        output().print(f"removed {image.name}  {format_size(image.size_bytes)}", soft_wrap=True)
    note(f"{len(removed)} removed; the budget is {format_size(settings.environment_budget_bytes)}")
    return ExitCode.OK
