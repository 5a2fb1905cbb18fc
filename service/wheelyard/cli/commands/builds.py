"""Options and help of the commands about builds. What they do is in ``builds`` and ``listing``."""
# ruff: noqa: D301, PLC0415  "\b" keeps lines of help apart and must reach typer as one character; and what a
# command needs is imported when it runs, so that --help takes a fraction of a second.

from typing import Annotated, Literal

import typer

from wheelyard.cli.commands.options import JsonOption, UrlOption, complete_platform, complete_python

BuildId = Annotated[str, typer.Argument(metavar="ID", help="The build's id, or its beginning.")]
BuildIdOrProject = Annotated[
    str,
    typer.Argument(metavar="ID|PROJECT", help="A build's id or its beginning, or a project: its newest build."),
]


def build(  # noqa: PLR0913  (one parameter an option)
    requirement: Annotated[
        str,
        typer.Argument(
            metavar="NAME|git+URL|PATH",
            help="Project, with an optional version specifier: 'pyyaml>=6,<7'; or a source in git: "
            "git+https://HOST/PATH@REF#subdirectory=FOLDER; or a folder or an sdist: '.', ./FOLDER, "
            "./NAME-1.0.tar.gz. Before a source, 'NAME @ ' if needed.",
        ),
    ],
    *,
    python: Annotated[
        str | None,
        typer.Option(
            "--python",
            metavar="X.Y",
            autocompletion=complete_python,
            help="Python of the wheel, such as 3.13.",
        ),
    ] = None,
    platform: Annotated[
        str | None,
        typer.Option(
            "--platform",
            metavar="TAG",
            autocompletion=complete_platform,
            help="Platform of the wheel, such as manylinux_2_36_x86_64.",
        ),
    ] = None,
    batch: Annotated[bool, typer.Option("--batch", help="Queue it at batch priority.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the build ends, and show its stages.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Like --wait, and show the log too.")] = False,
    as_json: JsonOption = False,
    url: UrlOption = None,
) -> None:
    """Request a wheel.

    If an equal build exists, the request joins it. Without --wait or --follow the command returns at once.
    Ctrl-C does not stop the build.

    A source in git must be on a host that the operator lists. Its wheel is a development version with the commit in it.

    A folder is packed and sent, without what git ignores. This needs a token that may publish the project. Its wheel is
    a development version with a hash of the content in it.

    \b
    [bold]Examples[/bold]
    wheelyard build markupsafe --wait
    wheelyard build 'pyyaml>=6,<7' --python 3.13 --follow
    wheelyard build lxml --wait --json | jq -r .wheel.install
    wheelyard build git+https://git.example/acme/billing@v1.2 --wait
    wheelyard build . --wait
    """
    from wheelyard.cli.builds import WantedWheel
    from wheelyard.cli.builds import build as run
    from wheelyard.cli.client import open_client
    from wheelyard.domain.builds.queue import Priority

    priority = Priority.BATCH if batch else Priority.INTERACTIVE
    wanted = WantedWheel(requirement=requirement, python=python, platform=platform, priority=priority)
    with open_client(url) as client:
        raise typer.Exit(run(client, wanted, wait=wait, follow=follow, as_json=as_json))


def logs(
    wanted: BuildIdOrProject,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Follow the log until the build ends. The exit code is the build's.")
    ] = False,
    as_json: JsonOption = False,
    url: UrlOption = None,
) -> None:
    """Print a build's log.

    With --follow, a lost connection is resumed where it broke off. Control sequences other than colours are removed.

    \b
    [bold]Examples[/bold]
    wheelyard logs ID --follow
    wheelyard logs ID > build.log
    """
    from wheelyard.cli.builds import logs as run
    from wheelyard.cli.client import open_client

    with open_client(url) as client:
        raise typer.Exit(run(client, client.find_build(wanted, or_project=True), follow=follow, as_json=as_json))


def cancel(build_id: BuildId, *, as_json: JsonOption = False, url: UrlOption = None) -> None:
    """Cancel a build that is queued or running.

    It needs the token that requested the wheel, or the scope 'operate'. A build that others requested too goes on,
    unless the token has the scope 'operate'.
    """
    from wheelyard.cli.builds import cancel as run
    from wheelyard.cli.client import open_client

    with open_client(url) as client:
        run(client, client.find_build(build_id), as_json=as_json)


def retry(
    build_id: BuildId,
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the build ends, and show its stages.")] = False,
    as_json: JsonOption = False,
    url: UrlOption = None,
) -> None:
    """Retry a build that failed or was cancelled, with the same recipe.

    A build that waits for its next attempt starts at once. To build with a changed recipe, request the wheel again with
    'wheelyard build'.
    """
    from wheelyard.cli.builds import retry as run
    from wheelyard.cli.client import open_client

    with open_client(url) as client:
        raise typer.Exit(run(client, client.find_build(build_id), wait=wait, as_json=as_json))


def workers(*, as_json: JsonOption = False, url: UrlOption = None) -> None:
    """List the workers with their hosts, builders and running builds."""
    from wheelyard.cli.builds import list_workers
    from wheelyard.cli.client import open_client

    with open_client(url) as client:
        raise typer.Exit(list_workers(client, as_json=as_json))


def show(
    wanted: Annotated[
        str,
        typer.Argument(
            metavar="ID|PROJECT|FILE",
            help="A build's id or its beginning, a project (its newest build), or a wheel's file name.",
        ),
    ],
    *,
    as_json: JsonOption = False,
    url: UrlOption = None,
) -> None:
    """Show a build with its wheel, its failure or its stage; or a wheel with its files and their sizes."""
    from wheelyard.cli.builds import show as run
    from wheelyard.cli.client import open_client

    with open_client(url) as client:
        if wanted.endswith(".whl"):
            from wheelyard.cli.browse import show_wheel

            raise typer.Exit(show_wheel(client, wanted, as_json=as_json))
        run(client.build(client.find_build(wanted, or_project=True)), as_json=as_json)


def builds(
    *,
    project: Annotated[str | None, typer.Option("--project", metavar="NAME", help="Only this project.")] = None,
    status: Annotated[
        Literal["queued", "running", "succeeded", "failed", "cancelled"] | None,
        typer.Option("--status", help="Only builds with this status."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=200, help="Maximum number to show.")] = 20,
    as_json: JsonOption = False,
    url: UrlOption = None,
) -> None:
    """List builds, newest first.

    \b
    [bold]Examples[/bold]
    wheelyard builds --status failed
    wheelyard builds --project pyyaml --json
    """
    from wheelyard.cli.client import open_client
    from wheelyard.cli.listing import list_builds
    from wheelyard.domain.builds.build import Status

    chosen = Status(status) if status is not None else None
    with open_client(url) as client:
        raise typer.Exit(list_builds(client, project=project, status=chosen, limit=limit, as_json=as_json))


def targets(*, as_json: JsonOption = False, url: UrlOption = None) -> None:
    """List the Pythons and platforms that you can request wheels for."""
    from wheelyard.cli.client import open_client
    from wheelyard.cli.listing import list_targets

    with open_client(url) as client:
        raise typer.Exit(list_targets(client, as_json=as_json))


def status(*, as_json: JsonOption = False, url: UrlOption = None) -> None:
    """Show whether the service is ready, and its queued and running builds.

    The exit code is 0 if the service is ready, and 4 if it is not ready or does not answer.
    """
    from wheelyard.cli.client import open_client
    from wheelyard.cli.listing import show_status

    with open_client(url) as client:
        raise typer.Exit(show_status(client, as_json=as_json))
