"""Options and help of the commands about published wheels. What they do is in ``wheels``."""
# ruff: noqa: D301, PLC0415  "\b" keeps lines of help apart and must reach typer as one character; and what a
# command needs is imported when it runs, so that --help takes a fraction of a second.

from pathlib import Path
from typing import Annotated, Literal

import typer

from wheelyard.cli.commands.options import JsonOption, UrlOption

WheelName = Annotated[str, typer.Argument(metavar="FILE", help="The wheel's file name, from 'wheelyard wheels'.")]

index_app = typer.Typer(no_args_is_help=True, help="Check the index that wheels are installed from.")


def wheels(
    *,
    project: Annotated[str | None, typer.Option("--project", metavar="NAME", help="Only this project.")] = None,
    standing: Annotated[
        Literal["offered", "yanked", "deleted"] | None,
        typer.Option("--standing", help="Only wheels with this standing."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=200, help="Maximum number to show.")] = 20,
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


def push(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Wheels, whatever tool built them.")],
    *,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait until each file is published or refused.")
    ] = True,
    as_json: JsonOption = False,
    url: UrlOption = None,
) -> None:
    """Upload wheels that were built elsewhere. The service audits, repairs and tests them, then publishes them.

    A wheel that is right already is published unchanged. One that is not gets its libraries and its true tag, and a
    build tag in its name. A wheel that fails is refused with what to do, and nothing of it is listed. The same file
    again is a success. The exit code is 0 if no file was refused.

    \b
    [bold]Example[/bold]
    wheelyard push dist/*.whl
    """
    from wheelyard.cli.client import open_client
    from wheelyard.cli.wheels import push_files

    with open_client(url) as client:
        raise typer.Exit(push_files(client, files, wait=wait, as_json=as_json))


def yank(
    filename: WheelName,
    *,
    reason: Annotated[str, typer.Option("--reason", help="The reason, which installers show.")],
    as_json: JsonOption = False,
    url: UrlOption = None,
) -> None:
    """Yank a wheel: installers use it only if its exact version is requested.

    \b
    [bold]Example[/bold]
    wheelyard yank FILE --reason 'crashes on import; use 6.0.3'
    """
    from wheelyard.cli.client import open_client
    from wheelyard.cli.wheels import show_wheel

    with open_client(url) as client:
        raise typer.Exit(show_wheel(client.yank(filename, reason=reason), as_json=as_json))


def unyank(filename: WheelName, *, as_json: JsonOption = False, url: UrlOption = None) -> None:
    """Undo the yank of a wheel."""
    from wheelyard.cli.client import open_client
    from wheelyard.cli.wheels import show_wheel

    with open_client(url) as client:
        raise typer.Exit(show_wheel(client.unyank(filename), as_json=as_json))


def promote(filename: WheelName, *, as_json: JsonOption = False, url: UrlOption = None) -> None:
    """Publish a staged wheel on the production index. The file stays the same."""
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
    """Delete a wheel for ever. Its file name cannot be used again. Prefer yank, unless the file must disappear.

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
    mend: Annotated[bool, typer.Option("--mend", help="Repair what can be repaired.")] = False,
    as_json: JsonOption = False,
    url: UrlOption = None,
) -> None:
    """Compare the files on devpi with the wheels in the database.

    --mend removes deleted wheels from devpi, publishes a missing wheel again if the other level has its file, and
    stores missing metadata. The exit code is 0 if nothing is left to repair, else 4.
    """
    from wheelyard.cli.client import open_client
    from wheelyard.cli.wheels import report_check

    with open_client(url) as client:
        raise typer.Exit(report_check(client.check_index(mend=mend), as_json=as_json))
