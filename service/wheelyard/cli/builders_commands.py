"""Builder and runtime images: an operator's commands on a host with a container engine."""
# ruff: noqa: D301, PLC0415  "\b" keeps lines of help apart and must reach typer as one character; and what a
# command needs is imported when it runs, so that --help takes a fraction of a second.

from typing import Annotated

import typer

from wheelyard.cli.options import JsonOption

app = typer.Typer(no_args_is_help=True, help="List and make the images that wheels are built and proven in.")


@app.command("list")
def list_command(*, as_json: JsonOption = False) -> None:
    """List the images that this host's engine has."""
    from wheelyard.cli.builders import list_images

    raise typer.Exit(list_images(as_json=as_json))


@app.command()
def build(
    suite: Annotated[
        str | None,
        typer.Argument(help="Suite of the catalogue, such as bookworm. Default: that of the default target."),
    ] = None,
    *,
    python: Annotated[
        str | None, typer.Option("--python", metavar="X.Y", help="Python of the runtime image. Default: the default.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a suite's builder image and its runtime image, unless they are there.

    Builds do so by themselves when they first need an image; this shows the whole output.

    \b
    [bold]Example[/bold]
    wheelyard builders build bookworm --python 3.13
    """
    from wheelyard.cli.builders import build_images

    raise typer.Exit(build_images(suite, python=python, as_json=as_json))
