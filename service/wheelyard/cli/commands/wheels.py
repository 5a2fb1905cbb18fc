"""Options and help of the commands about published wheels. What they do is in ``wheels``."""
# ruff: noqa: D301, PLC0415  "\b" keeps lines of help apart and must reach typer as one character; and what a
# command needs is imported when it runs, so that --help takes a fraction of a second.

from pathlib import Path
from typing import Annotated, Literal

import typer

from wheelyard.cli.commands.options import JsonOption, UrlOption, complete_platform, complete_python

WheelName = Annotated[str, typer.Argument(metavar="FILE", help="The wheel's file name, from 'wheelyard wheels'.")]

index_app = typer.Typer(
    no_args_is_help=True, help="Check the index that wheels are installed from, and whose its names are."
)


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


def push(  # noqa: PLR0913  (each option is an argument)
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Wheels and sdists, whatever tool made them.")],
    *,
    python: Annotated[
        list[str] | None,
        typer.Option(
            "--python",
            metavar="X.Y",
            autocompletion=complete_python,
            help="Python to build an sdist for; may be repeated. Default: all but free-threaded ones.",
        ),
    ] = None,
    platform: Annotated[
        list[str] | None,
        typer.Option(
            "--platform",
            metavar="TAG",
            autocompletion=complete_platform,
            help="Platform to build an sdist for, from 'wheelyard targets'; may be repeated. Default: all.",
        ),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait until each file is published or refused.")
    ] = True,
    as_json: JsonOption = False,
    url: UrlOption = None,
) -> None:
    """Upload wheels and sdists. The service audits, repairs and tests wheels, builds sdists, then publishes them.

    A wheel that is right already is published unchanged. One that is not gets its libraries and its true tag, and a
    build tag in its name. An sdist becomes wheels for all targets, with as few builds as possible, and is listed
    together with them. Its project is your organisation's own from then on: the upstream index is never asked for it.
    A file that fails is refused with what to do, and nothing of it is listed. The same file again is a success. The
    exit code is 0 if no file was refused.

    \b
    [bold]Examples[/bold]
    wheelyard push dist/*.whl
    wheelyard push dist/acme-2.1.tar.gz --python 3.12 --python 3.13
    """
    from wheelyard.cli.client import open_client
    from wheelyard.cli.wheels import push_files
    from wheelyard.domain.prebuilds.sdists import NamedTargets

    targets = NamedTargets(pythons=tuple(python or ()), platforms=tuple(platform or ()))
    with open_client(url) as client:
        raise typer.Exit(push_files(client, files, targets=targets, wait=wait, as_json=as_json))


def sources(
    filename: WheelName,
    *,
    archive: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="ARCHIVE", help="Fetch all sources into this tar file."),
    ] = None,
    as_json: JsonOption = False,
    url: UrlOption = None,
) -> None:
    """List the exact sources of a wheel: its sdist, source packages and crates. With -o, fetch them into an archive.

    Each file is checked against the hash that the signed index of its archive had when the wheel was built. If one
    cannot be fetched, no archive is written and the exit code is 4.

    \b
    [bold]Example[/bold]
    wheelyard sources FILE -o sources.tar
    """
    from wheelyard.cli.client import open_client
    from wheelyard.cli.wheels import fetch_sources, show_sources

    with open_client(url) as client:
        raise typer.Exit(
            fetch_sources(client, filename, archive, as_json=as_json)
            if archive
            else show_sources(client, filename, as_json=as_json)
        )


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


@index_app.command("disown")
def disown(
    project: Annotated[str, typer.Argument(metavar="PROJECT", help="A project that an uploaded sdist made your own.")],
    *,
    confirm: Annotated[str, typer.Option("--confirm", metavar="PROJECT", help="The name again.")],
    as_json: JsonOption = False,
    url: UrlOption = None,
) -> None:
    """Let a project's name be asked of the upstream index again.

    An uploaded sdist makes its project your own, so that upstream is never asked for it. This takes it back, for a
    name that was uploaded by mistake. It is refused while the index lists a file that was uploaded, or built from one:
    upstream's files must not come beside yours under one name.

    \b
    [bold]Example[/bold]
    wheelyard index disown PROJECT --confirm PROJECT
    """
    from wheelyard.cli.client import open_client
    from wheelyard.cli.wheels import show_disowned

    with open_client(url) as client:
        raise typer.Exit(show_disowned(client.disown(project, confirm=confirm), as_json=as_json))
