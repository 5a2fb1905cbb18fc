"""Options and help of the ``browse`` commands, ``queue`` and ``statistics``, which show what the web pages show."""
# ruff: noqa: D301, PLC0415  "\b" keeps lines of help apart and must reach typer as one character; and what a
# command needs is imported when it runs, so that --help takes a fraction of a second.

from typing import Annotated, Literal

import typer

from wheelyard.cli.commands.options import JsonOption, UrlOption

LimitOption = Annotated[int, typer.Option("--limit", min=1, max=200, help="Maximum number to show.")]

app = typer.Typer(no_args_is_help=True, help="Show what the web pages show: projects, wheels, recipes, requests.")


@app.command()
def projects(
    prefix: Annotated[str, typer.Argument(metavar="[BEGINNING]", help="Only names with this beginning.")] = "",
    *,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
    url: UrlOption = None,
) -> None:
    """List the projects that have a wheel, by name.

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
    releases: Annotated[int, typer.Option("--releases", min=1, max=200, help="How many of the newest to show.")] = 8,
    as_json: JsonOption = False,
    url: UrlOption = None,
) -> None:
    """Show a project's releases for each platform and Python: wheel, queued, building, failed or none.

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
    """Show a wheel: its state, its hash, and its files with their sizes."""
    from wheelyard.cli.browse import show_wheel
    from wheelyard.cli.client import open_client

    with open_client(url) as client:
        raise typer.Exit(show_wheel(client, filename, as_json=as_json))


@app.command()
def recipes(*, as_json: JsonOption = False, url: UrlOption = None) -> None:
    """List the service's recipes, and whether they are valid."""
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
    """Show the text of a project's recipe. 'wheelyard recipe explain' shows what it means for a release."""
    from wheelyard.cli.browse import show_recipe
    from wheelyard.cli.client import open_client

    with open_client(url) as client:
        raise typer.Exit(show_recipe(client, name, as_json=as_json))


@app.command()
def requests(
    *,
    state: Annotated[
        Literal["open", "done", "cancelled"] | None, typer.Option("--state", help="Only requests in this state.")
    ] = None,
    limit: LimitOption = 20,
    as_json: JsonOption = False,
    url: UrlOption = None,
) -> None:
    """List the requests of 'wheelyard prebuild' with their progress, newest first."""
    from wheelyard.cli.browse import list_requests
    from wheelyard.cli.client import open_client

    with open_client(url) as client:
        raise typer.Exit(list_requests(client, state=state, limit=limit, as_json=as_json))


def queue(*, limit: LimitOption = 50, as_json: JsonOption = False, url: UrlOption = None) -> None:
    """Show running builds, and queued builds in their order, with an estimate of when each starts."""
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
    """Show the results of the last days, and the disk space of the index, the logs and the state directory.

    \b
    [bold]Example[/bold]
    wheelyard statistics --days 7
    """
    from wheelyard.cli.client import open_client
    from wheelyard.cli.statistics import show_statistics

    with open_client(url) as client:
        raise typer.Exit(show_statistics(client, days=days, as_json=as_json))
