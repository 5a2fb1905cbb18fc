"""List and make images with this host's engine. Must not decide what is in an image."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TypeVar

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from wheelyard.adapters.image_records import ImageRecord
from wheelyard.adapters.images import ImageBuilder
from wheelyard.cli.console import format_size, is_live, messages, note, output, print_json
from wheelyard.cli.exit_codes import ExitCode
from wheelyard.cli.log_text import plain_line
from wheelyard.domain.target import Target
from wheelyard.settings import Settings, load_settings
from wheelyard.wiring import catalogue, image_builder

T = TypeVar("T")


def list_images(*, as_json: bool) -> ExitCode:
    """Print the images of ours."""
    images = asyncio.run(image_builder(load_settings()).list_images())
    if as_json:
        print_json([asdict(image) for image in images])
        return ExitCode.OK
    table = Table("ROLE", "IMAGE", "SIZE", "MADE", box=None, pad_edge=False)
    for image in sorted(images, key=_role_and_name):
        table.add_row(image.role, ", ".join(image.tags), format_size(image.size_bytes), image.created[:19])
    output().print(table)
    if not images:
        note("none yet: 'wheelyard builders build' makes them, and so does the first build")
    return ExitCode.OK


def _role_and_name(image: ImageRecord) -> tuple[str, tuple[str, ...]]:
    return image.role, image.tags


def build_images(suite: str | None, *, python: str | None, as_json: bool) -> ExitCode:
    """Make a suite's two images."""
    settings = load_settings()
    chosen, version = suite or default_suite(settings), python or settings.default_python
    images = image_builder(settings)
    builder = _with_progress(
        f"builder of {chosen}", lambda on_line: images.ensure_builder(chosen, on_line, python=version)
    )
    runtime = _with_progress(
        f"runtime of {chosen} with Python {version}", lambda on_line: images.ensure_runtime(chosen, version, on_line)
    )
    if as_json:
        print_json({"suite": chosen, "python": version, "builder": builder, "runtime": runtime})
    else:
        output().print(f"builder {builder}\nruntime {runtime}", soft_wrap=True)
    return ExitCode.OK


def default_suite(settings: Settings) -> str:
    """Choose the suite that serves the default target; raises UnknownTargetError."""
    target = Target.parse(python=settings.default_python, platform=settings.default_platform)
    return catalogue().builder_for(target).suite


def ensure_runtime(images: ImageBuilder, settings: Settings) -> str:
    """Return the id of the runtime image of the default target."""
    suite = default_suite(settings)
    return _with_progress(
        "runtime image", lambda on_line: images.ensure_runtime(suite, settings.default_python, on_line)
    )


def _with_progress(label: str, make: Callable[[Callable[[str], None]], Awaitable[T]]) -> T:
    """Show a spinner and the output's lines while something is made; plain lines where nobody looks."""
    console = messages()

    async def run(on_line: Callable[[str], None]) -> T:
        return await make(on_line)

    if not is_live(console):
        return asyncio.run(run(lambda line: note(f"{label} | {plain_line(line)}")))
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        progress.add_task(label, total=None)
        return asyncio.run(run(lambda line: console.print(plain_line(line), style="dim", soft_wrap=True)))
