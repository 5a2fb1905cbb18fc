"""Try a recipe on this host: show the log as it comes, then what became of it. Must not publish."""

import asyncio
import codecs
from dataclasses import dataclass
from pathlib import Path

from wheelyard.api.schemas.builds import BuildView
from wheelyard.api.schemas.links import IndexLinks
from wheelyard.assembly.service import recipe_book
from wheelyard.assembly.trial import open_trial
from wheelyard.cli.console import messages, output, print_json
from wheelyard.cli.exit_codes import ExitCode
from wheelyard.cli.log_text import LineSplitter, print_log_line
from wheelyard.cli.report import exit_code_of_build, report_build
from wheelyard.domain.builds.build import Build
from wheelyard.logs import configure_logs
from wheelyard.settings import Settings, load_settings
from wheelyard.usecases.request_build import BuildRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialOptions:
    """What is tried; None takes the default."""

    python: str | None
    platform: str | None
    folder: Path | None
    """Recipes that come after all others."""
    keep: Path | None
    """Where the wheel is kept."""


def try_recipe(release: str, options: TrialOptions, *, as_json: bool) -> ExitCode:
    """Build and prove; the log goes to standard error, the result to standard output."""
    settings = load_settings()
    configure_logs(log_format=settings.log_format, level="error")
    build = asyncio.run(_run(release, options, settings))
    # The wheel is not published, so it has no address.
    view = BuildView.of(build, links=IndexLinks(base="", is_open=True))
    if as_json:
        print_json(view.model_dump(mode="json"))
    else:
        output().print(report_build(view), soft_wrap=True)
    return exit_code_of_build(view)


async def _run(release: str, options: TrialOptions, settings: Settings) -> Build:
    request = BuildRequest(
        requirement=release,
        python=options.python or settings.default_python,
        platform=options.platform or settings.default_platform,
        requested_by="recipe test",
    )
    recipes = recipe_book(settings, *([options.folder] if options.folder else []))
    await recipes.update()
    async with open_trial(settings, recipes=recipes, keep=options.keep) as trial:
        screen = _Screen()
        try:
            return await trial(request, log=screen)
        finally:
            screen.end()


class _Screen:
    """A LogSink that prints whole lines."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._splitter = LineSplitter()

    async def write(self, data: bytes) -> None:
        """Print the lines that are complete."""
        for line in self._splitter.feed(self._decoder.decode(data)):
            print_log_line(messages(), line, is_note=False)

    async def note(self, text: str, *, stage: str | None = None) -> None:  # noqa: ARG002  the text says which it is
        """Print a line of our own, below what has come of the line before."""
        self.end()
        print_log_line(messages(), text, is_note=True)

    def end(self) -> None:
        """Print what has come of a line that has no end."""
        for line in self._splitter.feed(self._decoder.decode(b"", final=True)) + self._splitter.end():
            print_log_line(messages(), line, is_note=False)
        self._decoder.reset()
