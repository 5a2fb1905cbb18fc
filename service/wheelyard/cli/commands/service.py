"""Options and help of the operator's commands: run, back up, restore and check the service."""
# ruff: noqa: D301, PLC0415  "\b" keeps lines of help apart and must reach typer as one character; and what a
# command needs is imported when it runs, so that --help takes a fraction of a second.

from pathlib import Path
from typing import Annotated

import typer

from wheelyard.cli.commands.options import JsonOption


def up() -> None:
    """Run the whole service on this host, in the foreground.

    It starts PostgreSQL and devpi, unless the settings name others, the API and one worker. All of them keep their
    state in one directory. It prints its addresses and the file of its first token. Ctrl-C stops all of it.

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
    """Run the API only, with a database and an index elsewhere.

    It needs WHEELYARD_DATABASE_URL and WHEELYARD_INDEX_URL. docs/settings.md lists the other settings.
    """
    import asyncio

    from wheelyard.assembly.supervisor import run_serve
    from wheelyard.settings import load_settings

    asyncio.run(run_serve(load_settings()))


def worker(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Only check whether this host's worker is alive: exit code 0 or 4.")
    ] = False,
) -> None:
    """Run a worker only, on any host with a container engine.

    It needs WHEELYARD_DATABASE_URL and WHEELYARD_INDEX_URL. docs/settings.md lists the other settings.
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
    """Run devpi only, with Wheelyard's users and indexes, for an API and workers elsewhere.

    It needs WHEELYARD_INDEX_PASSWORD and WHEELYARD_STAGING_PASSWORD. Give the API and the workers the same passwords.
    """
    import asyncio

    from wheelyard.assembly.supervisor import run_devpi
    from wheelyard.settings import load_settings

    asyncio.run(run_devpi(load_settings(), host=host, port=port))


def backup(
    folder: Annotated[Path, typer.Argument(help="Folder to create; it must not exist yet.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Back up the database and devpi's files, as far as they are on this host.

    The service may run meanwhile. If devpi runs on another host, back up the database first, then run this there.
    """
    from wheelyard.cli.operate import run_backup

    raise typer.Exit(run_backup(folder, as_json=as_json))


def restore(
    folder: Annotated[Path, typer.Argument(help="Folder that 'wheelyard backup' made.")], *, as_json: JsonOption = False
) -> None:
    """Restore a backup into an empty database and state directory, before the service is started.

    The hash of every file is checked first. The next start migrates an older schema.
    """
    from wheelyard.cli.operate import run_restore

    raise typer.Exit(run_restore(folder, as_json=as_json))


def demo() -> None:
    """Build markupsafe and pyyaml from source, install them from the index, and import them.

    It uses the running service of this state directory, or starts one and stops it afterwards. The first time it makes
    the builder image and the runtime image, which takes minutes.
    """
    from wheelyard.cli.demo import run_demo

    raise typer.Exit(run_demo())


def doctor(*, as_json: JsonOption = False) -> None:
    """Check what Wheelyard needs on this host, and print how to fix each problem.

    The exit code is 0 if no check fails. Warnings do not count.
    """
    from wheelyard.cli.operate import run_doctor

    raise typer.Exit(run_doctor(as_json=as_json))


def audit(
    *,
    of: Annotated[
        str | None, typer.Option("--of", metavar="ID", help="Only changes of this build, token or wheel.")
    ] = None,
    by: Annotated[str | None, typer.Option("--by", metavar="WHO", help="Only changes by this actor.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="Maximum number to show.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """Show the audit log, newest first. Run it on the service's host."""
    from wheelyard.cli.operate import show_audit
    from wheelyard.domain.access import AuditFilter

    raise typer.Exit(show_audit(AuditFilter(object=of, actor=by, limit=limit), as_json=as_json))
