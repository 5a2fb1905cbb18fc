"""Options and help of the ``recipe`` commands, which need no running service."""
# ruff: noqa: D301, PLC0415  "\b" keeps lines of help apart and must reach typer as one character; and what a
# command needs is imported when it runs, so that --help takes a fraction of a second.

from pathlib import Path
from typing import Annotated

import typer

from wheelyard.cli.commands.options import JsonOption, complete_platform, complete_python

FolderOption = Annotated[
    Path | None,
    typer.Option("--recipes", metavar="FOLDER", help="Folder of recipes that take precedence, such as your checkout."),
]
PythonOption = Annotated[
    str | None,
    typer.Option(
        "--python",
        metavar="X.Y",
        autocompletion=complete_python,
        help="Python of the target. Default: the default target's.",
    ),
]
PlatformOption = Annotated[
    str | None,
    typer.Option(
        "--platform",
        metavar="TAG",
        autocompletion=complete_platform,
        help="Platform of the target. Default: the default target's.",
    ),
]

app = typer.Typer(no_args_is_help=True, help="Check, explain, draft and try recipes.")


@app.command()
def lint(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH]...", help="Recipes or folders of recipes. Default: all that the service uses."),
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Check recipes, and list every problem with its file, line and key.

    It also reports files that no rule names. The exit code is 0 if there is no problem.

    \b
    [bold]Example[/bold]
    wheelyard recipe lint recipes/
    """
    from wheelyard.cli.recipes import lint_recipes

    raise typer.Exit(lint_recipes(paths or [], as_json=as_json))


@app.command()
def explain(
    release: Annotated[
        str,
        typer.Argument(metavar="NAME[==VERSION]", help="A project or a release. Default: the newest release."),
    ],
    *,
    python: PythonOption = None,
    platform: PlatformOption = None,
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the effective recipe for a release and target, with the rule, file and line of each key.

    \b
    [bold]Example[/bold]
    wheelyard recipe explain lxml==6.0.2 --python 3.13 --platform manylinux_2_36_x86_64
    """
    from wheelyard.cli.recipes import explain_recipe

    raise typer.Exit(explain_recipe(release, python=python, platform=platform, folder=folder, as_json=as_json))


@app.command()
def new(
    release: Annotated[
        str, typer.Argument(metavar="NAME[==VERSION]", help="A project or a release. Default: the newest release.")
    ],
    *,
    target: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="File to write. Default: print it.")
    ] = None,
) -> None:
    """Draft a recipe from a project's sdist: backend, sources, libraries, toolchains, extension modules.

    The sdist is checked against its hash and read as data. None of its code runs. The Debian packages are guesses from
    the build files, so check every line.

    \b
    [bold]Example[/bold]
    wheelyard recipe new shapely --output recipes/shapely.toml
    """
    from wheelyard.cli.recipes import draft

    raise typer.Exit(draft(release, target=target))


@app.command("test")
def check(  # noqa: PLR0913  (typer's form of options)
    release: Annotated[
        str, typer.Argument(metavar="NAME[==VERSION]", help="A project or a release. Default: the newest release.")
    ],
    *,
    python: PythonOption = None,
    platform: PlatformOption = None,
    folder: FolderOption = None,
    keep: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="Save the wheel in this folder.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Build, repair and test a release on this host with the current recipe. Nothing is published.

    It needs a container engine, but no running service. It uses the same images as the service. The exit code is 0 if
    the wheel works.

    \b
    [bold]Example[/bold]
    wheelyard recipe test lxml --recipes ./recipes --output dist
    """
    from wheelyard.cli.recipes import TrialOptions, try_recipe

    options = TrialOptions(python=python, platform=platform, folder=folder, keep=keep)
    raise typer.Exit(try_recipe(release, options, as_json=as_json))
