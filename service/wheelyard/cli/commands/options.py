"""Options that several commands share."""
# ruff: noqa: PLC0415  what only a completion needs is not imported for every command

import re
from pathlib import Path
from typing import Annotated

import typer

FolderOption = Annotated[
    Path | None,
    typer.Option("--recipes", metavar="FOLDER", help="Folder of recipes that take precedence, such as your checkout."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for programs.")]


def _check_url(url: str | None) -> str | None:
    if url is not None and not re.match(r"https?://[^/\s]", url):
        raise typer.BadParameter(f"{url!r} is not a URL, such as https://wheelyard.example.org.")
    return url


UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        callback=_check_url,
        help="Address of the service. Default: $WHEELYARD_URL, else the service that 'wheelyard up' runs here. "
        "The token comes from $WHEELYARD_TOKEN, else from the state directory of that service.",
    ),
]


_TIMEOUT_SECONDS = 1.0
"""Short, because the shell of the user waits for the answer."""
_MOST_BYTES = 1 << 20


def complete_python(context: typer.Context, incomplete: str) -> list[str]:
    """Return the matching Pythons that the service builds for."""
    return _offered(context, "python", incomplete)


def complete_platform(context: typer.Context, incomplete: str) -> list[str]:
    """Return the matching platforms that the service builds for."""
    return _offered(context, "platform", incomplete)


def _offered(context: typer.Context, name: str, incomplete: str) -> list[str]:
    given = context.params.get(name)
    chosen = frozenset(given if isinstance(given, list | tuple) else ())
    values = dict.fromkeys(target[name] for target in _targets(context.params.get("url")))
    return [value for value in values if value.startswith(incomplete) and value not in chosen]


def _targets(url: str | None) -> list[dict[str, str]]:
    """Return the service's targets, read with ``urllib``: importing the client takes longer than the answer."""
    import json
    from http.client import HTTPException
    from urllib.request import Request, urlopen

    from wheelyard.cli.connection import find_connection
    from wheelyard.errors import WheelyardError

    try:
        connection = find_connection(url)
        headers = {"Authorization": f"Bearer {connection.token}"} if connection.token else {}
        request = Request(f"{connection.url.rstrip('/')}/v1/targets", headers=headers)  # noqa: S310  checked by --url
        with urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310  as above
            targets = json.loads(answer.read(_MOST_BYTES))
        return [{name: str(target[name]) for name in ("python", "platform")} for target in targets]
    except (WheelyardError, HTTPException, OSError, ValueError, LookupError, TypeError):
        return []
