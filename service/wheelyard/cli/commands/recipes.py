"""Options and help of ``repair`` and the ``recipe`` commands, of this host and of the service's own recipes."""
# ruff: noqa: D301, PLC0415  "\b" keeps lines of help apart and must reach typer as one character; and what a
# command needs is imported when it runs, so that --help takes a fraction of a second.

from pathlib import Path
from typing import Annotated

import typer

from wheelyard.cli.commands.options import FolderOption, JsonOption, UrlOption, complete_platform, complete_python

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

SeenRevision = Annotated[
    int | None,
    typer.Option(
        "--revision",
        min=0,
        metavar="NUMBER",
        help="The revision that the change is based on, 0 for none; another one is refused. Default: no check.",
    ),
]
ProjectName = Annotated[str, typer.Argument(metavar="NAME", help="The project.")]

app = typer.Typer(
    no_args_is_help=True, help="Check, explain, draft and try recipes; store and adopt them in the service."
)


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


def repair(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Wheels, whoever built them.")],
    *,
    keep: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Save the wheels in this folder.")],
    suite: Annotated[
        str | None,
        typer.Option("--suite", metavar="NAME", help="Suite to repair them in. Default: by the tags of each wheel."),
    ] = None,
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Audit, repair and test wheels that others built, on this host. Nothing is published.

    A wheel that is right already is copied unchanged. One that is not gets its libraries and its true tag, and a build
    tag in its name. Each is installed and imported on every target of the catalogue that its tags claim. It needs a
    container engine, but no running service. The exit code is 0 if no wheel was refused.

    \b
    [bold]Example[/bold]
    wheelyard repair dist/*.whl --output wheelhouse
    """
    from wheelyard.cli.recipes import RepairOptions, repair_files

    options = RepairOptions(keep=keep, suite=suite, folder=folder)
    raise typer.Exit(repair_files(files, options, as_json=as_json))


@app.command()
def adopt(
    name: ProjectName,
    *,
    build: Annotated[
        str | None,
        typer.Option("--build", metavar="ID", help="A healed build. Default: the newest one that has succeeded."),
    ] = None,
    as_json: JsonOption = False,
    url: UrlOption = None,
) -> None:
    """Make the recipe of a healed build the project's recipe, and print it.

    It is stored in the service's database. If the project has a recipe already, the build's rules are added to it. An
    equal request then gets the healed wheel; nothing is built anew.

    \b
    [bold]Example[/bold]
    wheelyard recipe adopt pyfftw
    """
    from wheelyard.cli.client import open_client
    from wheelyard.cli.stored_recipes import adopt_recipe

    with open_client(url) as client:
        raise typer.Exit(adopt_recipe(client, name, build=build, as_json=as_json))


@app.command()
def put(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The recipe, named after its project.")],
    *,
    revision: SeenRevision = None,
    as_json: JsonOption = False,
    url: UrlOption = None,
) -> None:
    """Store a recipe in the service's database, where it replaces that of a folder or a git repository.

    A recipe with patches, hooks or test files is refused: only its text is stored.

    \b
    [bold]Example[/bold]
    wheelyard recipe put shapely.toml
    """
    from wheelyard.cli.client import open_client
    from wheelyard.cli.stored_recipes import put_recipe

    with open_client(url) as client:
        raise typer.Exit(put_recipe(client, file, revision=revision, as_json=as_json))


@app.command()
def remove(
    name: ProjectName, *, revision: SeenRevision = None, as_json: JsonOption = False, url: UrlOption = None
) -> None:
    """Remove a recipe from the service's database. The recipe of a folder or git repository counts again."""
    from wheelyard.cli.client import open_client
    from wheelyard.cli.stored_recipes import remove_recipe

    with open_client(url) as client:
        raise typer.Exit(remove_recipe(client, name, revision=revision, as_json=as_json))


@app.command()
def history(
    name: ProjectName,
    *,
    revision: Annotated[
        int | None, typer.Option("--revision", min=1, metavar="NUMBER", help="Print the text of this revision.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=200, help="Maximum number to show.")] = 20,
    as_json: JsonOption = False,
    url: UrlOption = None,
) -> None:
    """List the revisions of a recipe in the service's database, newest first, with who made each.

    \b
    [bold]Example[/bold]
    wheelyard recipe history shapely
    """
    from wheelyard.cli.client import open_client
    from wheelyard.cli.stored_recipes import show_history

    with open_client(url) as client:
        raise typer.Exit(show_history(client, name, revision=revision, limit=limit, as_json=as_json))


@app.command()
def export(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="The project. Default: all.")] = None,
    *,
    folder: Annotated[
        Path | None, typer.Option("--to", metavar="FOLDER", help="Folder of recipes, such as your checkout.")
    ] = None,
    as_patch: Annotated[
        bool,
        typer.Option("--patch", help="Write nothing; print the changes to the folder as a patch for 'git apply'."),
    ] = False,
    url: UrlOption = None,
) -> None:
    """Write the recipes of the service's database into a folder, one file each.

    Files that are there are replaced. Without --to, a patch is for an empty folder.

    \b
    [bold]Example[/bold]
    wheelyard recipe export --to recipes
    wheelyard recipe export shapely --to recipes --patch
    """
    from wheelyard.cli.client import open_client
    from wheelyard.cli.stored_recipes import export_recipes

    if folder is None and not as_patch:
        raise typer.BadParameter("Give a folder with --to, or ask for a patch with --patch.")
    with open_client(url) as client:
        raise typer.Exit(export_recipes(client, name, folder=folder, as_patch=as_patch))
