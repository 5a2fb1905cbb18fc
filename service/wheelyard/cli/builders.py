"""Make images with this host's engine, and show how it goes. Must not decide what is in an image."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from wheelyard.adapters.images.builder import ImageBuilder
from wheelyard.assembly.images import catalogue, image_builder
from wheelyard.cli.console import is_live, messages, note, output, print_json
from wheelyard.cli.exit_codes import ExitCode
from wheelyard.cli.log_text import plain_line
from wheelyard.domain.packaging.target import Target
from wheelyard.settings import Settings, load_settings

T = TypeVar("T")


def build_images(suite: str | None, *, python: str | None, as_json: bool) -> ExitCode:
    """Make a suite's two images."""
    settings = load_settings()
    chosen, version = suite or default_suite(settings), python or settings.default_python
    images = image_builder(settings)
    builder = with_progress(
        f"builder of {chosen}", lambda on_line: images.ensure_builder(chosen, on_line, python=version)
    )
    runtime = with_progress(
        f"runtime of {chosen} with Python {version}", lambda on_line: images.ensure_runtime(chosen, version, on_line)
    )
    if as_json:
        print_json({"suite": chosen, "python": version, "builder": builder, "runtime": runtime})
    else:
        output().print(f"builder {builder}\nruntime {runtime}", soft_wrap=True)
    return ExitCode.OK


def warn_about(settings: Settings, suite: str) -> None:
    """Say what the users of a suite should know."""
    entry = catalogue(settings).suite.get(suite)
    if entry is not None and entry.warning:
        note(f"warning: {suite}: {entry.warning}")


def default_suite(settings: Settings) -> str:
    """Choose the suite that serves the default target; raises UnknownTargetError."""
    target = Target.parse(python=settings.default_python, platform=settings.default_platform)
    return catalogue(settings).builder_for(target).suite


def ensure_runtime(images: ImageBuilder, settings: Settings) -> str:
    """Return the id of the runtime image of the default target."""
    suite = default_suite(settings)
    return with_progress(
        "runtime image", lambda on_line: images.ensure_runtime(suite, settings.default_python, on_line)
    )


def with_progress(label: str, make: Callable[[Callable[[str], None]], Awaitable[T]]) -> T:
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
