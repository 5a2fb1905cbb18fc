"""The commands that look around, for those without a browser: their options and help. What they do is in ``browse``."""
# ruff: noqa: D301, PLC0415  "\b" keeps lines of help apart and must reach typer as one character; and what a
# command needs is imported when it runs, so that --help takes a fraction of a second.

from typing import Annotated, Literal

import typer

from wheelyard.cli.commands.options import JsonOption, UrlOption

LimitOption = Annotated[int, typer.Option("--limit", min=1, max=200, help="Show this many at most.")]

app = typer.Typer(no_args_is_help=True, help="Look around as the web pages do: projects, wheels, recipes, requests.")


@app.command()
def projects(
    prefix: Annotated[str, typer.Argument(metavar="[BEGINNING]", help="Only names that begin so.")] = "",
    *,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
    url: UrlOption = None,
) -> None:
    """List projects that have a wheel, by name.

    \b
    [bold]Example[/bold]
    wheelyard browse projects py
    """
    from wheelyard.cli.browse import list_projects
    from wheelyard.cli.client import open_client

    with open_client(url) as client:
        raise typer.Exit(list_projects(client, prefix=prefix, limit=limit, as_json=as_json))


@app.command()
def project(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The project, in any spelling.")],
    *,
    releases: Annotated[int, typer.Option("--releases", min=1, max=200, help="Show this many of the newest.")] = 8,
    as_json: JsonOption = False,
    url: UrlOption = None,
) -> None:
    """Show what there is of a project's releases for each platform and Python: wheel, on its way, failed or nothing.

    \b
    [bold]Example[/bold]
    wheelyard browse project pyyaml
    """
    from wheelyard.cli.browse import show_project
    from wheelyard.cli.client import open_client

    with open_client(url) as client:
        raise typer.Exit(show_project(client, name, releases=releases, as_json=as_json))


@app.command()
def wheel(
    filename: Annotated[str, typer.Argument(metavar="FILE", help="The wheel's file name.")],
    *,
    as_json: JsonOption = False,
    url: UrlOption = None,
) -> None:
    """Show a wheel: where it stands, its hash, and its files with their sizes."""
    from wheelyard.cli.browse import show_wheel
    from wheelyard.cli.client import open_client

    with open_client(url) as client:
        raise typer.Exit(show_wheel(client, filename, as_json=as_json))


@app.command()
def recipes(*, as_json: JsonOption = False, url: UrlOption = None) -> None:
    """List the recipes that the service uses, and whether they can be used."""
    from wheelyard.cli.browse import list_recipes
    from wheelyard.cli.client import open_client

    with open_client(url) as client:
        raise typer.Exit(list_recipes(client, as_json=as_json))


@app.command()
def recipe(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The project.")],
    *,
    as_json: JsonOption = False,
    url: UrlOption = None,
) -> None:
    """Show a project's recipe as it is written. 'wheelyard recipe explain' says what it means for a release."""
    from wheelyard.cli.browse import show_recipe
    from wheelyard.cli.client import open_client

    with open_client(url) as client:
        raise typer.Exit(show_recipe(client, name, as_json=as_json))


@app.command()
def requests(
    *,
    state: Annotated[
        Literal["open", "done", "cancelled"] | None, typer.Option("--state", help="Only those in this state.")
    ] = None,
    limit: LimitOption = 20,
    as_json: JsonOption = False,
    url: UrlOption = None,
) -> None:
    """List requests that 'wheelyard prebuild' has made, newest first, with how far each has come."""
    from wheelyard.cli.browse import list_requests
    from wheelyard.cli.client import open_client

    with open_client(url) as client:
        raise typer.Exit(list_requests(client, state=state, limit=limit, as_json=as_json))


def queue(*, limit: LimitOption = 50, as_json: JsonOption = False, url: UrlOption = None) -> None:
    """Show what runs, and what waits in the order in which it is taken, with an estimate of when it begins."""
    from wheelyard.cli.client import open_client
    from wheelyard.cli.statistics import show_queue

    with open_client(url) as client:
        raise typer.Exit(show_queue(client, limit=limit, as_json=as_json))


def statistics(
    *,
    days: Annotated[int, typer.Option("--days", min=1, max=366, help="How many days to look back.")] = 30,
    as_json: JsonOption = False,
    url: UrlOption = None,
) -> None:
    """Show what happened in the last days, and what index, logs and the state directory take.

    \b
    [bold]Example[/bold]
    wheelyard statistics --days 7
    """
    from wheelyard.cli.client import open_client
    from wheelyard.cli.statistics import show_statistics

    with open_client(url) as client:
        raise typer.Exit(show_statistics(client, days=days, as_json=as_json))
