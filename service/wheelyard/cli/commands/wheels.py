"""The commands about published wheels: their options and help. What they do is in ``wheels``."""
# ruff: noqa: D301, PLC0415  "\b" keeps lines of help apart and must reach typer as one character; and what a
# command needs is imported when it runs, so that --help takes a fraction of a second.

from typing import Annotated, Literal

import typer

from wheelyard.cli.commands.options import JsonOption, UrlOption

WheelName = Annotated[
    str, typer.Argument(metavar="FILE", help="The wheel's file name, as 'wheelyard wheels' shows it.")
]

index_app = typer.Typer(no_args_is_help=True, help="Look after the index that wheels are installed from.")


def wheels(
    *,
    project: Annotated[str | None, typer.Option("--project", metavar="NAME", help="Only this project.")] = None,
    standing: Annotated[
        Literal["offered", "yanked", "deleted"] | None, typer.Option("--standing", help="Only those of this standing.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=200, help="Show this many at most.")] = 20,
    as_json: JsonOption = False,
    url: UrlOption = None,
) -> None:
    """List published wheels, newest first.

    \b
    [bold]Example[/bold]
    wheelyard wheels --project pyyaml --standing yanked
    """
    from wheelyard.cli.client import open_client
    from wheelyard.cli.wheels import list_wheels

    with open_client(url) as client:
        raise typer.Exit(list_wheels(client, project=project, standing=standing, limit=limit, as_json=as_json))


def yank(
    filename: WheelName,
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why; installers show it.")],
    as_json: JsonOption = False,
    url: UrlOption = None,
) -> None:
    """Yank a wheel: installers take it only when its exact version is asked for.

    \b
    [bold]Example[/bold]
    wheelyard yank FILE --reason 'crashes on import; use 6.0.3'
    """
    from wheelyard.cli.client import open_client
    from wheelyard.cli.wheels import show_wheel

    with open_client(url) as client:
        raise typer.Exit(show_wheel(client.yank(filename, reason=reason), as_json=as_json))


def unyank(filename: WheelName, *, as_json: JsonOption = False, url: UrlOption = None) -> None:
    """Offer a yanked wheel again."""
    from wheelyard.cli.client import open_client
    from wheelyard.cli.wheels import show_wheel

    with open_client(url) as client:
        raise typer.Exit(show_wheel(client.unyank(filename), as_json=as_json))


def promote(filename: WheelName, *, as_json: JsonOption = False, url: UrlOption = None) -> None:
    """Publish a staged wheel's proven bytes for everybody."""
    from wheelyard.cli.client import open_client
    from wheelyard.cli.wheels import show_wheel

    with open_client(url) as client:
        raise typer.Exit(show_wheel(client.promote(filename), as_json=as_json))


def delete(
    filename: WheelName,
    *,
    confirm: Annotated[str, typer.Option("--confirm", metavar="FILE", help="The file name again.")],
    as_json: JsonOption = False,
    url: UrlOption = None,
) -> None:
    """Remove a wheel for good; its name stays taken. Yank it instead, unless nobody may have the bytes.

    \b
    [bold]Example[/bold]
    wheelyard delete FILE --confirm FILE
    """
    from wheelyard.cli.client import open_client
    from wheelyard.cli.wheels import show_wheel

    with open_client(url) as client:
        raise typer.Exit(show_wheel(client.delete(filename, confirm=confirm), as_json=as_json))


@index_app.command("check")
def check(
    *,
    mend: Annotated[bool, typer.Option("--mend", help="Put right what can be.")] = False,
    as_json: JsonOption = False,
    url: UrlOption = None,
) -> None:
    """Compare what devpi holds with what is listed.

    --mend removes deleted wheels that devpi still has, publishes a missing wheel again if the other level has its
    bytes, and keeps metadata that was not kept before. The exit code is 0 if nothing is left to be mended, else 4.
    """
    from wheelyard.cli.client import open_client
    from wheelyard.cli.wheels import report_check

    with open_client(url) as client:
        raise typer.Exit(report_check(client.check_index(mend=mend), as_json=as_json))
