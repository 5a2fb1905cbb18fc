"""A parser pool without processes."""

from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class InlineParsers:
    """ParserPool that calls the parser at once, here."""

    def __init__(self) -> None:
        self.read: list[str] = []
        """What has been parsed, in order."""

    async def run(self, parse: Callable[..., T], *args: Any, what: str, caller: str = "") -> T:  # noqa: ANN401, ARG002
        """Return what ``parse(*args)`` returns."""
        self.read.append(what)
        return parse(*args)
