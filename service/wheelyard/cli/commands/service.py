"""The operator's commands that run something: their options and help."""
# ruff: noqa: D301, PLC0415  "\b" keeps lines of help apart and must reach typer as one character; and what a
# command needs is imported when it runs, so that --help takes a fraction of a second.

from pathlib import Path
from typing import Annotated

import typer

from wheelyard.cli.commands.options import JsonOption


def up() -> None:
    """Run the whole service here, in the foreground.

    Starts what is not set to be elsewhere (PostgreSQL, devpi), the API and one worker, all with their state in one
    directory, and says its addresses and where its first token is. Ctrl-C stops everything that it started.

    \b
    [bold]Examples[/bold]
    wheelyard up
    WHEELYARD_STATE_DIR=/srv/wheelyard WHEELYARD_PORT=9000 wheelyard up
    """
    import asyncio

    from wheelyard.assembly.supervisor import run_up
    from wheelyard.settings import load_settings

    asyncio.run(run_up(load_settings()))


def serve() -> None:
    """Run the API alone, for a service whose database and index are elsewhere.

    Needs WHEELYARD_DATABASE_URL and WHEELYARD_INDEX_URL; docs/settings.md lists the rest.
    """
    import asyncio

    from wheelyard.assembly.supervisor import run_serve
    from wheelyard.settings import load_settings

    asyncio.run(run_serve(load_settings()))


def worker(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Only tell by the exit code whether this host's worker is at work.")
    ] = False,
) -> None:
    """Run a worker alone, on any host that has a container engine.

    Needs WHEELYARD_DATABASE_URL and WHEELYARD_INDEX_URL; docs/settings.md lists the rest.
    """
    import asyncio

    if check:
        from wheelyard.cli.operate import check_worker

        raise typer.Exit(check_worker())

    from wheelyard.assembly.supervisor import run_worker
    from wheelyard.settings import load_settings

    asyncio.run(run_worker(load_settings()))


def devpi(
    *,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port to listen on.")] = 3141,
) -> None:
    """Run devpi alone, with Wheelyard's users and indexes, for an API and workers that are elsewhere.

    Needs WHEELYARD_INDEX_PASSWORD and WHEELYARD_STAGING_PASSWORD: the API and the workers log in with the same.
    """
    import asyncio

    from wheelyard.assembly.supervisor import run_devpi
    from wheelyard.settings import load_settings

    asyncio.run(run_devpi(load_settings(), host=host, port=port))


def backup(
    folder: Annotated[Path, typer.Argument(help="Folder to make; it must not exist yet.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Copy what cannot be made again: the database and devpi's files, whichever is here.

    The service may run meanwhile. Where devpi runs on a host of its own, back up there, too: first the database.
    """
    from wheelyard.cli.operate import run_backup

    raise typer.Exit(run_backup(folder, as_json=as_json))


def restore(
    folder: Annotated[Path, typer.Argument(help="Folder that 'wheelyard backup' made.")], *, as_json: JsonOption = False
) -> None:
    """Put a backup back into an empty database and state directory, before the service is started.

    Every file is compared with its hash first. The next start brings an older schema up to date.
    """
    from wheelyard.cli.operate import run_restore

    raise typer.Exit(run_restore(folder, as_json=as_json))


def demo() -> None:
    """Build markupsafe and pyyaml from source, install them from the index, import them.

    Uses the service that runs on this state directory, or starts one for as long as it takes. The first time, the
    builder image and the runtime image are made, which takes minutes.
    """
    from wheelyard.cli.demo import run_demo

    raise typer.Exit(run_demo())


def doctor(*, as_json: JsonOption = False) -> None:
    """Check what Wheelyard needs on this host, and say how to mend what is wrong.

    The exit code is 0 if nothing fails; warnings do not count.
    """
    from wheelyard.cli.operate import run_doctor

    raise typer.Exit(run_doctor(as_json=as_json))


def audit(
    *,
    of: Annotated[
        str | None, typer.Option("--of", metavar="ID", help="Only changes of this build, token or wheel.")
    ] = None,
    by: Annotated[str | None, typer.Option("--by", metavar="WHO", help="Only what this actor did.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="How many entries at most.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """Show who changed what, newest first, on the service's own host."""
    from wheelyard.cli.operate import show_audit
    from wheelyard.domain.access import AuditFilter

    raise typer.Exit(show_audit(AuditFilter(object=of, actor=by, limit=limit), as_json=as_json))
