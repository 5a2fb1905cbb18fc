"""Options and help of the commands about signed provenance."""
# ruff: noqa: D301, PLC0415  "\b" keeps lines of help apart and must reach typer as one character; and what a
# command needs is imported when it runs, so that --help takes a fraction of a second.

from pathlib import Path
from typing import Annotated

import typer

from wheelyard.cli.commands.options import JsonOption, UrlOption

authority_app = typer.Typer(
    no_args_is_help=True, help="Show, rotate and revoke what signs published files, on the service's host."
)


def verify(  # noqa: PLR0913  (options)
    target: Annotated[Path, typer.Argument(help="Wheel, folder of wheels, or lock file: pylock.toml, uv.lock, …")],
    *,
    authority: Annotated[
        Path | None,
        typer.Option("--authority", metavar="FILE", help="PEM file with the authority's certificates."),
    ] = None,
    revoked: Annotated[
        list[Path] | None, typer.Option("--revoked", metavar="FILE", help="List of revoked certificates. Repeatable.")
    ] = None,
    provenance: Annotated[
        Path | None,
        typer.Option("--provenance", metavar="DIR", help="Folder of FILE.provenance.json. Default: beside each file."),
    ] = None,
    index: Annotated[
        bool, typer.Option("--index", help="Fetch what is attested, and the list of revoked, from the service.")
    ] = False,
    save: Annotated[
        Path | None, typer.Option("--save", metavar="DIR", help="With --index: save what was fetched here.")
    ] = None,
    as_json: JsonOption = False,
    url: UrlOption = None,
) -> None:
    """Check who signed files, that no byte changed, and what they are made of.

    Without --index, it works offline with nothing but the authority's certificate. Get that certificate once, over a
    way that you trust. The exit code is 0 if all files hold, else 1.

    \b
    [bold]Examples[/bold]
    wheelyard verify FILE.whl --authority authority.pem
    wheelyard verify pylock.toml --authority authority.pem --index --save attested
    wheelyard verify pylock.toml --authority authority.pem --provenance attested
    """
    from wheelyard.cli.signing.verify import run_verify

    raise typer.Exit(
        run_verify(
            target,
            authority=authority,
            revoked=revoked or (),
            folder=provenance,
            index=index,
            save=save,
            as_json=as_json,
            url=url,
        )
    )


@authority_app.command()
def show(*, as_json: JsonOption = False) -> None:
    """Show the authorities with their fingerprints, and the signing certificates that they issued."""
    from wheelyard.cli.signing.authority import show_authority

    raise typer.Exit(show_authority(as_json=as_json))


@authority_app.command()
def rotate() -> None:
    """Replace the authority that the service made by a new one. Restart the API afterwards.

    What the former one certified stays valid for everybody who trusts it. The former key is kept in a folder beside the
    new one, and signs the list of its revoked certificates: delete it when users do not trust the former one any more.
    """
    from wheelyard.cli.signing.authority import rotate as run_rotate

    raise typer.Exit(run_rotate())


@authority_app.command()
def revoke(
    serial: Annotated[str, typer.Argument(help="Serial number of a signing certificate, in hexadecimal.")],
    *,
    reason: Annotated[str, typer.Option("--reason", help="Reason, for the audit log.")],
    sign_again: Annotated[
        bool,
        typer.Option(
            "--sign-again", help="Sign its files anew, from the records: only if the files themselves are trusted."
        ),
    ] = False,
) -> None:
    """Revoke a signing certificate: files that it signed do not hold any more.

    The worker gets another certificate within seconds, and the list of revoked certificates is signed anew.
    """
    from wheelyard.cli.signing.authority import revoke as run_revoke

    raise typer.Exit(run_revoke(serial, reason=reason, sign_again=sign_again))
