"""Options and help of the commands that compare wheels, and build them again."""
# ruff: noqa: D301, PLC0415  "\b" keeps lines of help apart and must reach typer as one character; and what a
# command needs is imported when it runs, so that --help takes a fraction of a second.

from pathlib import Path
from typing import Annotated

import typer

from wheelyard.cli.commands.options import FolderOption, JsonOption, UrlOption


def compare(  # noqa: PLR0913  (options)
    wheel: Annotated[str, typer.Argument(metavar="FILE", help="A wheel's path, or its file name on the index.")],
    *,
    other: Annotated[
        Path | None,
        typer.Option("--with", metavar="WHEEL", help="Compare it with this wheel. Default: upstream's own."),
    ] = None,
    sdist: Annotated[
        Path | None, typer.Option("--sdist", metavar="SDIST", help="Its source. Default: upstream's sdist.")
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="With --with: both must have the same bytes. Tells where they differ.")
    ] = False,
    as_json: JsonOption = False,
    url: UrlOption = None,
) -> None:
    """Compare a wheel with upstream's wheel of the same release, and with upstream's sdist.

    It tells files that are in neither, other modules, entry points, requirements and start-up code, and changed files.
    What two honest builds of one source differ in, such as machine code, is listed as explained. The exit code is 0 if
    everything is, else 1. Nothing of the files is run.

    \b
    [bold]Examples[/bold]
    wheelyard compare dist/markupsafe-3.0.4-cp313-cp313-linux_x86_64.whl
    wheelyard compare old.whl --with new.whl --exact
    """
    from wheelyard.cli.comparison.compare import CompareOptions, compare_file

    options = CompareOptions(other=other, sdist=sdist, exact=exact, url=url)
    raise typer.Exit(compare_file(wheel, options, as_json=as_json))


def rebuild(  # noqa: PLR0913  (options)
    wheel: Annotated[str, typer.Argument(metavar="FILE", help="A wheel's path, or its file name on the index.")],
    *,
    provenance: Annotated[
        Path | None,
        typer.Option(
            "--provenance",
            metavar="FILE",
            help="What was recorded of its build. Default: FILE.provenance.json beside it, else the service's.",
        ),
    ] = None,
    keep: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="Save the new wheel in this folder.")
    ] = None,
    folder: FolderOption = None,
    as_json: JsonOption = False,
    url: UrlOption = None,
) -> None:
    """Build a wheel again from what its provenance records, and tell whether it has the same bytes.

    The sdist, recipe and build requirements are those that were recorded, the builder image as well if this host's
    engine has it; else what today's image has instead is listed. Host name, user, time of day, time zone, locale, umask
    and number of processors are others. It needs a container engine. The provenance's signature is not checked
    (see 'wheelyard verify'). The exit code is 0 if the wheels are the same, byte for byte, else 1.

    \b
    [bold]Examples[/bold]
    wheelyard rebuild markupsafe-3.0.4-1-cp313-cp313-manylinux_2_28_x86_64.whl
    wheelyard rebuild dist/demo-1.0-1-py3-none-any.whl --provenance demo.json --output again
    """
    from wheelyard.cli.comparison.rebuild import RebuildOptions, rebuild_file

    options = RebuildOptions(provenance=provenance, keep=keep, folder=folder, url=url)
    raise typer.Exit(rebuild_file(wheel, options, as_json=as_json))
