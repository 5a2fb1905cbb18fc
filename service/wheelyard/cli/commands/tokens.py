"""Options and help of the ``token`` commands, for operators on the service's host. They use the database directly."""
# ruff: noqa: D301, PLC0415  "\b" keeps lines of help apart and must reach typer as one character; and what a
# command needs is imported when it runs, so that --help takes a fraction of a second.

from typing import Annotated

import typer

from wheelyard.cli.commands.options import JsonOption
from wheelyard.domain.access import Scope

app = typer.Typer(no_args_is_help=True, help="Create, list and revoke API tokens, on the service's host.")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="User or purpose of the token, such as 'ci'.")],
    *,
    scope: Annotated[
        Scope,
        typer.Option(
            "--scope",
            help="What it allows. 'operate' includes 'request' and 'publish', which both include 'read'.",
        ),
    ] = Scope.REQUEST,
    projects: Annotated[
        list[str] | None,
        typer.Option(
            "--project",
            metavar="NAME",
            help="Project that a token with the scope 'publish' may upload, a prefix such as 'acme-*', or '*' for all. "
            "Repeatable.",
        ),
    ] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="TIME", help="Lifetime, such as 12h or 90d. Default: no end.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Create a token and print its secret, which is shown only once.

    \b
    [bold]Example[/bold]
    export WHEELYARD_TOKEN=$(wheelyard token create ci --scope request --expires 90d)
    wheelyard token create release-job --scope publish --project 'acme-*' --project tool
    """
    from wheelyard.cli.tokens import create_token

    raise typer.Exit(create_token(name, scope=scope, publishes=projects or (), expires=expires, as_json=as_json))


@app.command("list")
def list_command(*, as_json: JsonOption = False) -> None:
    """List every token, without secrets."""
    from wheelyard.cli.tokens import list_tokens

    raise typer.Exit(list_tokens(as_json=as_json))


@app.command()
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="The token's id, from 'wheelyard token list'.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Revoke a token at once."""
    from wheelyard.cli.tokens import revoke_token

    raise typer.Exit(revoke_token(token_id, as_json=as_json))
