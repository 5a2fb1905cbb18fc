"""The operator's commands that run something: their options and help."""
# ruff: noqa: D301, PLC0415  "\b" keeps lines of help apart and must reach typer as one character; and what a
# command needs is imported when it runs, so that --help takes a fraction of a second.

import typer

from wheelyard.cli.options import JsonOption


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

    from wheelyard.settings import load_settings
    from wheelyard.supervisor import run_up

    asyncio.run(run_up(load_settings()))


def serve() -> None:
    """Run the API alone, for a service whose database and index are elsewhere.

    Needs WHEELYARD_DATABASE_URL and WHEELYARD_INDEX_URL; docs/settings.md lists the rest.
    """
    import asyncio

    from wheelyard.settings import load_settings
    from wheelyard.supervisor import run_serve

    asyncio.run(run_serve(load_settings()))


def worker() -> None:
    """Run a worker alone, on any host that has a container engine.

    Needs WHEELYARD_DATABASE_URL and WHEELYARD_INDEX_URL; docs/settings.md lists the rest.
    """
    import asyncio

    from wheelyard.settings import load_settings
    from wheelyard.supervisor import run_worker

    asyncio.run(run_worker(load_settings()))


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
    from wheelyard.cli.doctor import run_doctor

    raise typer.Exit(run_doctor(as_json=as_json))
