"""Options that several commands share, so that they are called and explained alike."""

import re
from typing import Annotated

import typer

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for programs.")]


def _check_url(url: str | None) -> str | None:
    if url is not None and not re.match(r"https?://[^/\s]", url):
        raise typer.BadParameter(f"{url!r} is no address: write it as https://wheelyard.example.org.")
    return url


UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        callback=_check_url,
        help="Address of the service. Default: $WHEELYARD_URL, else the one that 'wheelyard up' runs here. "
        "The token comes from $WHEELYARD_TOKEN, else from the same place.",
    ),
]
