"""Output to terminals, files and pipes.

Results go to standard output, progress and errors to standard error, so that a pipe carries results only.
"""

import json
import os
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Final, Self

from rich.console import Console
from rich.text import Text

from wheelyard.cli.problem import Problem
from wheelyard.domain.builds.log_text import plain_text

REMINDER_SECONDS: Final = 25.0
_FILE_WIDTH: Final = 240


def output() -> Console:
    """Return the console of results."""
    return _console(stderr=False)


def messages() -> Console:
    """Return the console of progress and errors."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        # rich would wrap lines in a file at 80 columns.
        console.width = _FILE_WIDTH
    return console


def is_live(console: Console) -> bool:
    """Return whether lines may be redrawn: on a terminal, outside of CI."""
    return console.is_terminal and not console.is_dumb_terminal and not os.environ.get("CI")


def print_json(document: object) -> None:
    """Print a result as JSON."""
    output().print(json.dumps(document, indent=2, default=str), soft_wrap=True)


def print_problem(problem: Problem, *, as_json: bool) -> None:
    """Print an error and its hint."""
    console = messages()
    if as_json:
        console.print(json.dumps(problem.as_json()), soft_wrap=True)
        return
    console.print(Text.assemble((f"error[{problem.code}]: ", "bold red"), plain_text(problem.detail)), soft_wrap=True)
    if problem.hint:
        console.print(Text.assemble(("hint: ", "bold cyan"), plain_text(problem.hint)), soft_wrap=True)


def note(text: str) -> None:
    """Print a message on standard error; in a log, with the time."""
    console = messages()
    prefix = "" if is_live(console) else f"{timestamp()} "
    console.print(f"{prefix}{text}", soft_wrap=True)


class Reminder:
    """Prints a reminder whenever nothing was printed for a while, because CI ends jobs without output.

    Args:
        say: Prints the reminder.
        seconds: The longest time without output.
    """

    def __init__(self, say: Callable[[], None], *, seconds: float = REMINDER_SECONDS) -> None:
        self._say = say
        self._seconds = seconds
        self._printed = threading.Event()
        self._over = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._printed.set()
        self._thread.join()

    def note_printed(self) -> None:
        """Restart the wait, because something was printed."""
        self._printed.set()

    def _run(self) -> None:
        while not self._over:
            if self._printed.wait(self._seconds):
                self._printed.clear()
            else:
                self._say()


def timestamp() -> str:
    """Return the time of day in the form of log lines."""
    return datetime.now().astimezone().strftime("%H:%M:%S")


def format_seconds(seconds: float) -> str:
    """Return a duration as text: tenths below ten seconds, then seconds, then minutes."""
    if seconds < 10:  # noqa: PLR2004  (tenths matter below this)
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def format_size(size_bytes: int) -> str:
    """Return a size as text, in its largest unit."""
    size = float(size_bytes)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:  # noqa: PLR2004  (the step between units)
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
