"""The options of prebuilds. What the commands do with them is in ``prebuild_commands``."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from wheelyard.cli.commands.completion import complete_platform, complete_python

RequirementsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME]...", help="Requirements, beside a file or without one.")
]
FilesOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--requirements",
        "-r",
        metavar="FILE",
        help="requirements.txt, pylock.toml, uv.lock, poetry.lock or pyproject.toml; requirements may be repeated.",
    ),
]
ConstraintsOption = Annotated[
    list[Path] | None,
    typer.Option("--constraint", "-c", metavar="FILE", help="Constraints on requirements; may be repeated."),
]
PythonOption = Annotated[
    list[str] | None,
    typer.Option(
        "--python", metavar="X.Y", autocompletion=complete_python, help="Python that it runs on; may be repeated."
    ),
]
PlatformOption = Annotated[
    list[str] | None,
    typer.Option(
        "--platform",
        metavar="TAG",
        autocompletion=complete_platform,
        help="Platform, such as manylinux_2_31_x86_64; may be repeated.",
    ),
]
ExtraOption = Annotated[
    list[str] | None, typer.Option("--extra", metavar="NAME", help="Extra of the application itself.")
]
GroupOption = Annotated[list[str] | None, typer.Option("--group", metavar="NAME", help="Dependency group.")]
DefaultGroupsOption = Annotated[
    bool, typer.Option("--default-groups/--no-default-groups", help="Groups that the tool installs by itself.")
]
PreferOption = Annotated[
    Literal["upstream", "own"],
    typer.Option("--prefer", help="upstream: its wheels will do; own: build everything."),
]
AllowSkippedOption = Annotated[
    bool,
    typer.Option("--allow-skipped", help="Lines for addresses and repositories, left out, do not count as missing."),
]
WebhookOption = Annotated[
    str | None,
    typer.Option("--webhook", metavar="URL", help="URL of a webhook to call when the request ends (signed)."),
]
PlanOption = Annotated[bool, typer.Option("--plan", help="Only say what would be done.")]
WaitOption = Annotated[bool, typer.Option("--wait/--no-wait", help="Stay until all is installable.")]
LockOutOption = Annotated[
    Path | None,
    typer.Option(
        "--lock-out",
        metavar="FILE",
        help="Write a lock that installs from our index alone, or into a folder.",
    ),
]
JunitOption = Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write the result as JUnit XML.")]
