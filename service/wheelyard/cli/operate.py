"""The commands that copy what cannot be made again, and put it back: what they print."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from pathlib import Path

from wheelyard.assembly.backup import Contents, back_up, restore
from wheelyard.cli.console import note, print_json
from wheelyard.cli.exit_codes import ExitCode
from wheelyard.settings import Settings, load_settings


def run_backup(folder: Path, *, as_json: bool) -> ExitCode:
    """Back up, and say what was here to back up."""
    return _run(back_up, folder, "backed up to", as_json=as_json)


def run_restore(folder: Path, *, as_json: bool) -> ExitCode:
    """Restore, and say what there was."""
    return _run(restore, folder, "restored from", as_json=as_json)


def _run(
    act: Callable[[Settings, Path], Coroutine[None, None, Contents]], folder: Path, did: str, *, as_json: bool
) -> ExitCode:
    contents = asyncio.run(act(load_settings(), folder.absolute()))
    if as_json:
        print_json(asdict(contents))
        return ExitCode.OK
    parts = {"the database": contents.database, "devpi's files": contents.devpi}
    note(f"{' and '.join(name for name, there in parts.items() if there)} {did} {folder}")
    for name in (name for name, there in parts.items() if not there):
        note(f"{name} not: they are elsewhere, run this there, too" if name.endswith("s files") else f"{name} not")
    return ExitCode.OK
