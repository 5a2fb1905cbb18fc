"""Check the programs that a wheel has installers put beside Python (the entry points and binary distribution formats).

Must not judge what the programs do.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from wheelyard.pipeline.wheel_members import shown

_GROUPS: Final = frozenset({"console_scripts", "gui_scripts"})
_PYTHON: Final = re.compile(r"python[0-9.]*[tw]*(?:\.exe)?", re.IGNORECASE)
_ENVIRONMENT: Final = re.compile(r"[^/]+\.data/(?:scripts/|data/(?:bin/|scripts/)?)([^/]+)", re.IGNORECASE)
"""What installers put into an environment's own folder, or into its folder of programs."""


def check_scripts(names: Sequence[str], entry_points: bytes) -> None:
    """Refuse programs that would lie elsewhere, or in the place of the Python that they are installed for.

    Installers join an entry point's name to the folder of scripts, and write there what they make of it.

    Args:
        names: the wheel's members.
        entry_points: its ``entry_points.txt``, empty if it has none.

    Raises:
        ValueError: there is such a program.
    """
    for script in _scripts(entry_points.decode()):
        if not script.isprintable() or not {"/", "\\"}.isdisjoint(script) or script in {"", ".", ".."}:
            raise ValueError(f"its entry point {shown(script)} is no plain file name")
        _check_place(script)
    for name in names:
        if (placed := _ENVIRONMENT.fullmatch(name)) is not None:
            _check_place(placed[1])


def _check_place(script: str) -> None:
    if _PYTHON.fullmatch(script) or script == "pyvenv.cfg":
        raise ValueError(f"its file {shown(script)} would take the place of the Python that it is installed for")


def _scripts(entry_points: str) -> Iterator[str]:
    """Give the names of programs, read as loosely as any installer does it."""
    group = ""
    for line in map(str.strip, entry_points.splitlines()):
        if line.startswith("["):
            group = line.strip("[] \t")
        elif group in _GROUPS and line and not line.startswith(("#", ";")):
            yield line.partition("=")[0].strip()
