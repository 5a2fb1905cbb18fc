"""Check the programs that a wheel has installers put beside Python (the entry points and binary distribution formats).

Must not judge what the programs do.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from wheelyard.pipeline.wheel_check import shown
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
    """Give the names of programs, read as loosely as any installer does it.

    uv takes ``[console_scripts] ; text`` for the group, too, and readers of ini files part a name from its value at a
    colon as well.
    """
    is_group = False
    for line in map(str.strip, entry_points.splitlines()):
        if line.startswith("["):
            is_group = any(group in line for group in _GROUPS)
        elif is_group and line and not line.startswith(("#", ";")):
            name = line.partition("=")[0].strip()
            yield name
            yield from {name.partition(":")[0].strip(), name.partition("#")[0].strip()} - {name, ""}
