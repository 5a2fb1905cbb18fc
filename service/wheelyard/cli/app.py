"""Entry point of the command line: all commands, and how errors are shown.

Every command imports it, so FastAPI, psycopg, httpx and pydantic are imported only where a command needs them.
"""
# ruff: noqa: D301  "\b" keeps lines of help apart, and must reach typer as one character

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Final

import typer

from wheelyard import __version__
from wheelyard.cli.commands import (
    browse,
    builders,
    builds,
    campaign,
    comparison,
    prebuild,
    recipes,
    service,
    signing,
    tokens,
    wheels,
)
from wheelyard.cli.console import print_problem
from wheelyard.cli.problem import MEANINGS, Problem, ProblemError
from wheelyard.errors import ServiceNotInstalledError, WheelyardError

_PACKAGE: Final = "wheelyard"
_WHEELS: Final = "Wheels"
_SERVICE: Final = "The service"
_EXIT_CODES: Final = "\b\n[bold]Exit codes[/bold]\n" + "\n".join(
    f"{code:>3}  {meaning}" for code, meaning in MEANINGS.items()
)

app = typer.Typer(
    name="wheelyard",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog=_EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_COMMANDS: Final[Mapping[str, tuple[Callable[..., None], ...]]] = {
    _WHEELS: (
        builds.build,
        prebuild.prebuild,
        prebuild.request,
        prebuild.webhook_secret,
        builds.logs,
        builds.show,
        builds.builds,
        builds.cancel,
        builds.retry,
        builds.targets,
        builders.which,
        recipes.repair,
        wheels.push,
        signing.verify,
        comparison.compare,
        comparison.rebuild,
        wheels.wheels,
        wheels.sources,
        wheels.yank,
        wheels.unyank,
        wheels.promote,
        wheels.delete,
    ),
    _SERVICE: (
        service.up,
        builds.status,
        builds.workers,
        browse.queue,
        browse.statistics,
        service.doctor,
        service.audit,
        service.demo,
        service.serve,
        service.worker,
        service.devpi,
        service.backup,
        service.restore,
    ),
}
for panel, commands in _COMMANDS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
app.add_typer(campaign.app, name="campaign", rich_help_panel=_WHEELS)
app.add_typer(browse.app, name="browse", rich_help_panel=_WHEELS)
app.add_typer(recipes.app, name="recipe", rich_help_panel=_WHEELS)
app.add_typer(tokens.app, name="token", rich_help_panel=_SERVICE)
app.add_typer(wheels.index_app, name="index", rich_help_panel=_SERVICE)
app.add_typer(signing.authority_app, name="authority", rich_help_panel=_SERVICE)
app.add_typer(builders.app, name="builders", rich_help_panel=_SERVICE)


def _print_version(value: bool) -> None:  # noqa: FBT001  (typer's form of a callback)
    if value:
        typer.echo(f"wheelyard {__version__}")
        raise typer.Exit


@app.callback()
def options(
    *,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Build, repair, test and publish wheels from source, on your own machines.

    \b
    [bold]Begin here[/bold]
    wheelyard up                        run the service, in the foreground
    wheelyard build markupsafe --wait   request a wheel, from another terminal
    wheelyard doctor                    check this host, if anything fails

    Every setting is an environment variable; docs/settings.md lists them.
    """


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; print errors on standard error."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        app(given, prog_name="wheelyard")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    except (ProblemError, WheelyardError, ExceptionGroup, ModuleNotFoundError) as error:
        problem = _problem_of(error)
        if problem is None:
            raise
        print_problem(problem, as_json="--json" in given)
        return int(problem.exit_code)
    return 0


def _problem_of(error: Exception) -> Problem | None:
    """Return what to report about an error; None for a bug of our own, whose traceback is the best report."""
    if isinstance(error, ProblemError):
        return error.problem
    if isinstance(error, WheelyardError):
        return Problem.of(error)
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith(f"{_PACKAGE}."):
        return Problem.of(ServiceNotInstalledError(module=error.name.partition(".")[0]))
    if isinstance(error, ExceptionGroup):
        # Concurrent tasks (API, worker) fail in groups. The first known cause is reported.
        known, unknown = error.split((ProblemError, WheelyardError))
        return None if known is None or unknown is not None else _problem_of(known.exceptions[0])
    return None
