"""Options and help of the ``builders`` commands, for operators on a host with a container engine."""
# ruff: noqa: D301, PLC0415  "\b" keeps lines of help apart and must reach typer as one character; and what a
# command needs is imported when it runs, so that --help takes a fraction of a second.

from pathlib import Path
from typing import Annotated

import typer

from wheelyard.cli.commands.options import JsonOption, UrlOption, complete_python

SuiteArgument = Annotated[
    str | None, typer.Argument(help="Suite of the catalogue, such as bookworm. Default: the default target's.")
]
PythonOption = Annotated[
    str | None,
    typer.Option(
        "--python",
        metavar="X.Y",
        autocompletion=complete_python,
        help="Python of the images. Default: the default target's.",
    ),
]

ArchitectureOption = Annotated[
    str | None,
    typer.Option(
        "--architecture",
        metavar="NAME",
        help="x86_64 or aarch64; another one than this machine's is emulated. Default: this machine's.",
    ),
]

app = typer.Typer(
    no_args_is_help=True, help="List, make, refresh, test and prune the images that wheels are built and tested in."
)


@app.command("list")
def list_command(*, as_json: JsonOption = False) -> None:
    """List the suites with their policies and Pythons, and their images on this host."""
    from wheelyard.cli.builders import list_builders

    raise typer.Exit(list_builders(as_json=as_json))


@app.command()
def build(
    suite: SuiteArgument = None,
    *,
    python: PythonOption = None,
    architecture: ArchitectureOption = None,
    optimised: Annotated[
        bool,
        typer.Option(
            "--optimised",
            help="Also compile the Python with profile-guided and link-time optimisation, and put it into the images. "
            "This takes a quarter of an hour on two free processors.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a suite's builder image and runtime image, if they are missing.

    A build makes the images that it needs by itself. This command shows the whole output. Workers can optimise Pythons
    by themselves: see WHEELYARD_OPTIMISED_PYTHON. A compilation that failed is tried again with --optimised.

    \b
    [bold]Example[/bold]
    wheelyard builders build bookworm --python 3.13
    wheelyard builders build bookworm --python 3.13 --optimised
    wheelyard builders build bookworm --architecture aarch64
    """
    from wheelyard.cli.builders import build_images

    raise typer.Exit(
        build_images(suite, python=python, architecture=architecture, optimised=optimised, as_json=as_json)
    )


@app.command()
def outdated(
    *,
    archive: Annotated[
        list[str], typer.Option("--archive", metavar="SUITE", help="Suite of Debian's archive to read; repeatable.")
    ] = ["sid"],  # noqa: B006  typer copies it
    mirror: Annotated[
        str | None,
        typer.Option("--mirror", metavar="URL", help="Debian mirror. Default: the one for images, or Debian's."),
    ] = None,
    keyring: Annotated[
        Path, typer.Option("--keyring", metavar="FILE", help="Keys that the archive's signature is checked with.")
    ] = Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
    write: Annotated[
        Path | None,
        typer.Option("--write", metavar="FILE", help="Add the entries to this catalogue; your own or a new file."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Name newer releases of the catalogue's Pythons, with their hashes, and write their entries.

    The hashes come from Debian's index of sources, whose signature apt checks. Debian lists upstream's own tarballs.

    \b
    [bold]Example[/bold]
    wheelyard builders outdated
    wheelyard builders outdated --write /etc/wheelyard/catalogue.toml
    """
    from wheelyard.cli.builders import OutdatedOptions, show_outdated

    options = OutdatedOptions(suites=archive, mirror=mirror, keyring=keyring, write=write)
    raise typer.Exit(show_outdated(options, as_json=as_json))


@app.command()
def refresh(
    suite: Annotated[str | None, typer.Argument(help="Suite of the catalogue. Default: all suites.")] = None,
    *,
    check: Annotated[bool, typer.Option("--check", help="Only look for updates.")] = False,
    last: Annotated[
        bool, typer.Option("--last", help="Only show what the last refresh changed, a worker's included.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Install the archive's updates in this host's images, and list what changed.

    Images without pending updates are not rebuilt. The old images stay in use until the new ones are complete.
    Pythons are not compiled again. Workers refresh by themselves: see WHEELYARD_REFRESH_INTERVAL_HOURS.

    \b
    [bold]Example[/bold]
    wheelyard builders refresh bookworm --check
    """
    from wheelyard.cli.builders import print_last_refreshes, refresh_images

    if last:
        raise typer.Exit(print_last_refreshes(suite, as_json=as_json))
    raise typer.Exit(refresh_images(suite, check_only=check, as_json=as_json))


@app.command("test")
def check(
    suite: SuiteArgument = None,
    *,
    python: PythonOption = None,
    architecture: ArchitectureOption = None,
    as_json: JsonOption = False,
) -> None:
    """Test a suite's images against the contract in builders/README.md, and print the size of each part.

    Missing images are made first. The exit code is 0 if every check passes.
    """
    from wheelyard.cli.builders import check_images

    raise typer.Exit(check_images(suite, python=python, architecture=architecture, as_json=as_json))


@app.command()
def sbom(
    suite: SuiteArgument = None,
    *,
    python: PythonOption = None,
    role: Annotated[str, typer.Option("--role", help="builder or runtime.")] = "runtime",
    image: Annotated[
        str | None,
        typer.Option("--image", metavar="NAME", help="Instead, an image of 'builders list', by name or id."),
    ] = None,
) -> None:
    """Print the SBOM of an image on this host, as CycloneDX JSON.

    \b
    [bold]Example[/bold]
    wheelyard builders sbom bookworm --python 3.13 --role builder
    wheelyard builders sbom --image wheelyard/environment:6f1f0c9e1d2a
    """
    from wheelyard.cli.builders import print_sbom

    raise typer.Exit(print_sbom(suite, python=python, role=role, image=image))


@app.command()
def prune(
    *,
    budget: Annotated[
        int | None,
        typer.Option(
            "--budget", metavar="BYTES", help="Space to leave in use. Default: WHEELYARD_ENVIRONMENT_BUDGET_BYTES."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Remove images with toolchains or system packages, least recently used first, until the rest fits the budget.

    Images that a refresh has replaced are removed too, once no build can need them. Images that a container uses stay.
    A build makes a removed image again if it needs it. Workers prune by themselves whenever they make a new image.
    """
    from wheelyard.cli.builders import prune_images

    raise typer.Exit(prune_images(budget_bytes=budget, as_json=as_json))


def which(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="A header (openssl/ssl.h), a module of pkg-config (smbclient.pc), a library (libmecab.so), a program "
            "(mecab-config), a file of CMake (FindOsmium.cmake), or a bare name, which may be any of them.",
        ),
    ],
    *,
    suite: Annotated[
        str, typer.Option("--suite", metavar="SUITE", help="Suite of the catalogue. Default: the default target's.")
    ] = "default",
    architecture: Annotated[
        str | None,
        typer.Option("--architecture", metavar="NAME", help="x86_64 or aarch64. Default: the default target's."),
    ] = None,
    as_json: JsonOption = False,
    url: UrlOption = None,
) -> None:
    """Show which system packages of a suite hold a file that a build looks for, best first.

    The answer comes from the suite's signed package archive, which a worker reads when it is first needed.

    \b
    [bold]Example[/bold]
    wheelyard which fftw3.h --suite bookworm
    wheelyard which mysql_config
    """
    from wheelyard.cli.client import open_client
    from wheelyard.cli.packages import show_packages

    with open_client(url) as client:
        raise typer.Exit(show_packages(client, file, suite=suite, architecture=architecture, as_json=as_json))
