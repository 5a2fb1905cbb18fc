"""Try a recipe on this host: show the log as it comes, then what became of it. Must not publish."""

import asyncio
import codecs
from collections.abc import Iterable
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
from wheelyard.domain.builds.log_text import read_note
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
            return await trial(request, show=screen.show)
        finally:
            screen.end()


class _Screen:
    """Prints the whole lines of a log that comes in pieces."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._splitter = LineSplitter()

    def show(self, data: bytes) -> None:
        """Print the lines that are complete."""
        self._print(self._splitter.feed(self._decoder.decode(data)))

    def end(self) -> None:
        """Print a last line that has no end."""
        self._print([*self._splitter.feed(self._decoder.decode(b"", final=True)), *self._splitter.end()])

    @staticmethod
    def _print(lines: Iterable[str]) -> None:
        for line in lines:
            note = read_note(line)
            print_log_line(messages(), note.text if note else line, is_note=note is not None)
