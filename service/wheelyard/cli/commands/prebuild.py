"""Options and help of the commands for CI. What they do is in ``prebuild``."""
# ruff: noqa: D301, PLC0415  "\b" keeps lines of help apart and must reach typer as one character; and what a
# command needs is imported when it runs, so that --help takes a fraction of a second.

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from wheelyard.cli.commands.options import JsonOption, UrlOption, complete_platform, complete_python

RequirementsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME]...", help="Requirements, in addition to a file or without one.")
]
FilesOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--requirements",
        "-r",
        metavar="FILE",
        help="requirements.txt (may be repeated), pylock.toml, uv.lock, poetry.lock or pyproject.toml.",
    ),
]
ConstraintsOption = Annotated[
    list[Path] | None,
    typer.Option("--constraint", "-c", metavar="FILE", help="Constraints file; may be repeated."),
]
PythonOption = Annotated[
    list[str] | None,
    typer.Option(
        "--python", metavar="X.Y", autocompletion=complete_python, help="Python of the application; may be repeated."
    ),
]
PlatformOption = Annotated[
    list[str] | None,
    typer.Option(
        "--platform",
        metavar="TAG",
        autocompletion=complete_platform,
        help="Platform, from 'wheelyard targets'; may be repeated.",
    ),
]
ExtraOption = Annotated[
    list[str] | None, typer.Option("--extra", metavar="NAME", help="Extra of the application itself.")
]
GroupOption = Annotated[list[str] | None, typer.Option("--group", metavar="NAME", help="Dependency group.")]
DefaultGroupsOption = Annotated[
    bool,
    typer.Option("--default-groups/--no-default-groups", help="Include the groups that the tool installs by default."),
]
PreferOption = Annotated[
    Literal["upstream", "own"],
    typer.Option("--prefer", help="upstream: mirror upstream's wheels where they fit; own: build everything."),
]
AllowSkippedOption = Annotated[
    bool,
    typer.Option(
        "--allow-skipped", help="Do not fail because of lines that were left out, such as those of other hosts."
    ),
]
WebhookOption = Annotated[
    str | None,
    typer.Option("--webhook", metavar="URL", help="URL of a webhook to call when the request ends (signed)."),
]
PlanOption = Annotated[bool, typer.Option("--plan", help="Only show what would be done.")]
WaitOption = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until everything is installable.")]
LockOutOption = Annotated[
    Path | None,
    typer.Option(
        "--lock-out",
        metavar="FILE",
        help="Write a lock file, or a folder of files, that installs from our index only.",
    ),
]
JunitOption = Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write the result as JUnit XML.")]


if TYPE_CHECKING:
    from wheelyard.api.schemas.requests import NewRequest
    from wheelyard.cli.dependency_files import GivenFiles
    from wheelyard.cli.prebuild import Reports


def prebuild(  # noqa: PLR0913  (one parameter an option)
    requirements: RequirementsArgument = None,
    *,
    file: FilesOption = None,
    constraint: ConstraintsOption = None,
    python: PythonOption = None,
    platform: PlatformOption = None,
    extra: ExtraOption = None,
    group: GroupOption = None,
    default_groups: DefaultGroupsOption = True,
    prefer: PreferOption = "upstream",
    allow_skipped: AllowSkippedOption = False,
    webhook: WebhookOption = None,
    plan: PlanOption = False,
    wait: WaitOption = True,
    lock_out: LockOutOption = None,
    junit: JunitOption = None,
    as_json: JsonOption = False,
    url: UrlOption = None,
) -> None:
    """Build or mirror every dependency of an application.

    Lines such as 'NAME @ git+https://…@REF' are built if the operator allows their host. The exit code is 0 only if
    everything is installable; a line that cannot be served makes it 1.
    Ctrl-C does not stop the builds. In GitHub Actions, failures become annotations and a job summary.

    \b
    [bold]Examples[/bold]
    wheelyard prebuild -r requirements.txt --python 3.11 --python 3.13 --platform manylinux_2_31_x86_64
    wheelyard prebuild -r uv.lock --prefer own --lock-out deploy/uv.lock
    wheelyard prebuild lxml 'pyyaml>=6' --plan
    wheelyard prebuild 'billing @ git+https://git.example/acme/billing@v1.2'
    """
    from wheelyard.cli.client import open_client
    from wheelyard.cli.dependency_files import gather_files
    from wheelyard.cli.prebuild import plan as show_plan
    from wheelyard.cli.prebuild import prebuild as run

    if not file and not requirements:
        raise typer.BadParameter("give a file with --requirements, or requirements.")
    given = gather_files(file or [], constraints=constraint or [], folder=Path.cwd())
    _check_lock_out(lock_out, given)
    _check_place(junit, "--junit")
    wanted = _new_request(
        file=given.start,
        files=given.files,
        requirements=requirements or [],
        extras=extra or [],
        groups=group or [],
        default_groups=default_groups,
        pythons=python or [],
        platforms=platform or [],
        prefer=prefer,
        allow_skipped=allow_skipped,
        webhook=webhook,
    )
    with open_client(url) as client:
        if plan:
            raise typer.Exit(show_plan(client, wanted, as_json=as_json))
        reports = _reports(as_json=as_json, junit=junit, lock=lock_out, given=given)
        raise typer.Exit(run(client, wanted, reports, wait=wait))


def request(  # noqa: PLR0913  (one parameter an option)
    request_id: Annotated[str, typer.Argument(metavar="ID", help="The request's id, or its beginning.")],
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until everything is installable.")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Cancel the request: start no more builds for it.")] = False,
    file: FilesOption = None,
    constraint: ConstraintsOption = None,
    lock_out: LockOutOption = None,
    junit: JunitOption = None,
    as_json: JsonOption = False,
    url: UrlOption = None,
) -> None:
    """Show, wait for or cancel a request of 'wheelyard prebuild'.

    With --requirements and --lock-out it also writes the lock file that installs from our index.
    """
    from wheelyard.api.schemas.requests import DependencyFiles
    from wheelyard.cli.client import open_client
    from wheelyard.cli.dependency_files import gather_files
    from wheelyard.cli.prebuild import show, watch, write_lock

    given = gather_files(file or [], constraints=constraint or [], folder=Path.cwd())
    _check_lock_out(lock_out, given)
    _check_place(junit, "--junit")
    wanted = DependencyFiles(file=given.start, files=given.files)
    with open_client(url) as client:
        request_id = client.find_request(request_id)
        if cancel:
            show(client.cancel_request(request_id), as_json=as_json, url=client.url)
            return
        view = client.request(request_id)
        if wait:
            reports = _reports(as_json=as_json, junit=junit, lock=lock_out, given=given)
            raise typer.Exit(watch(client, view, wanted, reports))
        show(view, as_json=as_json, url=client.url)
        if lock_out is not None:
            write_lock(client, view, wanted, lock_out)


def webhook_secret(
    receiver: Annotated[str, typer.Argument(metavar="URL", help="The receiver's URL, as --webhook gives it.")],
    *,
    as_json: JsonOption = False,
    url: UrlOption = None,
) -> None:
    """Show the secret with which a receiver verifies the signatures of your webhooks.

    Each token and URL has its own secret.
    """
    from wheelyard.cli.client import open_client
    from wheelyard.cli.console import print_json

    with open_client(url) as client:
        view = client.webhook_secret(receiver)
    if as_json:
        print_json(view.model_dump(mode="json"))
    else:
        typer.echo(view.secret)


def _new_request(**given: object) -> "NewRequest":
    """Return the request that the options describe; raise BadParameter for options that the service would refuse."""
    from pydantic import ValidationError

    from wheelyard.api.schemas.requests import NewRequest

    try:
        return NewRequest.model_validate(given)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise typer.BadParameter(problems) from error


def _check_lock_out(lock_out: Path | None, given: "GivenFiles") -> None:
    """Raise BadParameter for a lock file that could not be written, before anything is requested."""
    if lock_out is None:
        return
    if not given.paths:
        raise typer.BadParameter("name the lock file with --requirements.", param_hint="--lock-out")
    in_place = len(given.paths) == 1 and lock_out.resolve() == given.paths[0].resolve()
    if given.is_open and (in_place or (lock_out.is_dir() and len(given.paths) > 1)):
        problem = "requirements without hashes become one lock file with all dependencies: name another file."
        raise typer.BadParameter(problem, param_hint="--lock-out")
    if len(given.locks) > 1 and not given.is_open and not lock_out.is_dir() and not in_place:
        problem = f"{', '.join(given.locks)} will get hashes: name an existing folder, or hand over a single file."
        raise typer.BadParameter(problem, param_hint="--lock-out")
    if not lock_out.is_dir():
        _check_place(lock_out, "--lock-out")


def _check_place(path: Path | None, option: str) -> None:
    """Raise BadParameter for a path that cannot be written; create its folders."""
    if path is None:
        return
    is_new = not path.exists()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("a").close()
        if is_new:
            path.unlink()
    except OSError as error:
        raise typer.BadParameter(f"{path} cannot be written: {error.strerror}.", param_hint=option) from error


def _reports(*, as_json: bool, junit: Path | None, lock: Path | None, given: "GivenFiles") -> "Reports":
    from wheelyard.cli.prebuild import Reports

    summary, outputs = os.environ.get("GITHUB_STEP_SUMMARY"), os.environ.get("GITHUB_OUTPUT")
    return Reports(
        as_json=as_json,
        junit=junit,
        lock=lock,
        files=given.options,
        github=os.environ.get("GITHUB_ACTIONS") == "true",
        github_summary=Path(summary) if summary else None,
        github_output=Path(outputs) if outputs else None,
    )
