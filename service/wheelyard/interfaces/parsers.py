"""Where text of strangers is read whose cost is not known beforehand. Must not import what implements it."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class ParserPool(Protocol):
    """Runs parsers apart from this process, each call with a limit of processor time and memory."""

    async def run(self, parse: Callable[..., T], *args: Any, what: str, caller: str = "") -> T:  # noqa: ANN401
        """Return what ``parse(*args)`` returns, or raise what it raises.

        Args:
            parse: A function of a module's top level, or a ``functools.partial`` of one. It, its arguments, its result
                and its errors are pickled.
            args: Its arguments.
            what: What is read, for the error: ``"the pyproject.toml of lxml 6.0"``.
            caller: Whose text it is. No caller has all of the processes at once.

        Raises RefusedTextError, a ValueError, if a limit was reached, and ParsersBusyError if others' texts take too
        long.
        """
        ...
