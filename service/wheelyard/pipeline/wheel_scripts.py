"""Check the programs that a wheel has installers put beside Python (the entry points and binary distribution formats).

Must not judge what the programs do.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from wheelyard.pipeline.wheel_members import shown
from wheelyard.pipeline.wheel_places import PROGRAMS, installed_path, plain

_GROUPS: Final = frozenset({"console_scripts", "gui_scripts"})
_PYTHON: Final = re.compile(r"python[0-9.]*[dtw]*(?:\.(?:exe|dll|zip|_pth))?")


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
        folder, _, file = installed_path(name).rpartition("/")
        if plain(folder) in {"", PROGRAMS}:
            _check_place(file)


def _check_place(script: str) -> None:
    if _PYTHON.fullmatch(plain(script)) or plain(script) == "pyvenv.cfg":
        raise ValueError(f"its file {shown(script)} would take the place of the Python that it is installed for")


def _scripts(entry_points: str) -> Iterator[str]:
    """Give the names of programs, read as loosely as any installer does it."""
    group = ""
    for line in map(str.strip, entry_points.splitlines()):
        if line.startswith("["):
            group = line.strip("[] \t")
        elif group in _GROUPS and line and not line.startswith(("#", ";")):
            yield line.partition("=")[0].strip()
