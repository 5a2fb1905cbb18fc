"""List what there is to build with on this host. Must not make or change any image."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from rich.table import Table

from wheelyard.assembly.images import image_shelf
from wheelyard.cli.console import format_size, note, output, print_json
from wheelyard.cli.exit_codes import ExitCode
from wheelyard.domain.catalogue.status import BuilderStatus, ImageSummary
from wheelyard.settings import load_settings

_ID_DIGITS = 12


def list_builders(*, as_json: bool) -> ExitCode:
    """Print the catalogue's suites and this host's images of them."""
    builders = asyncio.run(image_shelf(load_settings()).describe())
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
        note(f"warning: {image.name} stands in for its successor, which could not be made: {image.stands_in}")
    if not any(builder.images for builder in builders):
        note("no image yet: 'wheelyard builders build' makes them, and so does the first build")
    return ExitCode.OK


def builder_table(builders: Sequence[BuilderStatus]) -> Table:
    """Show the suites."""
    table = Table("SUITE", "KIND", "POLICY", "PYTHONS", "UPDATES", box=None, pad_edge=False)
    for one in builders:
        table.add_row(one.suite, one.kind, one.policy, ", ".join(one.pythons), _updates(one))
    return table


def _updates(builder: BuilderStatus) -> str:
    if builder.pending is None:
        return "not looked for"
    changes, when = builder.pending.changes, builder.pending.checked.strftime("%Y-%m-%d")
    security = sum(change.is_security for change in changes)
    return f"{len(changes)} pending, {security} of security ({when})" if changes else f"none ({when})"


def image_table(builders: Sequence[BuilderStatus], *, now: datetime) -> Table:
    """Show the images."""
    table = Table("IMAGE", "PYTHON", "WITH", "ID", "SIZE", "AGE", "", box=None, pad_edge=False)
    for image in (image for builder in builders for image in builder.images):
        digits = image.id.rpartition(":")[2][:_ID_DIGITS]
        size, age = format_size(image.size_bytes), format_age((now - image.created).total_seconds())
        table.add_row(image.name, image.python, image.added, digits, size, age, _state(image))
    return table


def _state(image: ImageSummary) -> str:
    if image.stands_in:
        return "stands in"
    return "" if image.current else "outdated"


def format_age(seconds: float) -> str:
    """Write an age in the unit that reads best."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return "now"
