"""Options that several commands share, so that they are called and explained alike."""

from typing import Annotated

import typer

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for programs.")]
UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        help="Address of the service. Default: $WHEELYARD_URL, else the one that 'wheelyard up' runs here. "
        "The token comes from $WHEELYARD_TOKEN, else from the same place.",
    ),
]
