"""What attacks could leave on the host: containers, volumes, networks, processes, changed or new files."""

import asyncio
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from tests.hostile.sdist_parts import MARK
from tests.integration.container_harness import ContainerHarness

# What an attacker goes for: accounts, programs that others run, what is run at times, keys.
_WATCHED: Final = ("/etc", "/usr/local/bin", "/usr/bin", "/usr/sbin", "/var/spool/cron", "/root/.ssh", "/boot")
_MARKED: Final = ("/", "/tmp", "/var/tmp", "/etc", "/root", "/home", "/dev/shm", "/opt", "/srv")  # noqa: S108
_DEPTH: Final = 2
_AGAIN_SECONDS: Final = 2.0
_AGAIN_TIMES: Final = 10


async def what_there_is(harness: ContainerHarness) -> dict[str, object]:
    """List what attacks must not add to, take from or change."""
    volumes = await harness.command.run(["volume", "ls", "--quiet"])
    networks = await harness.command.run(["network", "ls", "--quiet"])
    return {
        "containers": await harness.containers(),
        "volumes": sorted(volumes.text.split()),
        "networks": sorted(networks.text.split()),
        "clients": await asyncio.to_thread(_clients_of, harness.worker),
        "escaped": await _escaped(harness),
        "files": await asyncio.to_thread(lambda: dict(_watched_files())),
        "marks": await asyncio.to_thread(lambda: sorted(_marks(_MARKED))),
        "sources": await asyncio.to_thread(lambda: dict(_state_of(Path(__file__).parents[2] / "service"))),
        "core": await asyncio.to_thread(Path("/proc/sys/kernel/core_pattern").read_text),
    }


def changes(before: Mapping[str, object], after: Mapping[str, object]) -> dict[str, list[object]]:
    """Give what is new, gone or other than before, by its kind; nothing if all is as it was."""
    changed = {kind: _items(before[kind]) ^ _items(after[kind]) for kind in before}
    return {kind: sorted(items, key=repr) for kind, items in changed.items() if items}


def _items(found: object) -> set[object]:
    if isinstance(found, dict):
        return set(found.items())
    return set(found) if isinstance(found, list) else {found}


def _clients_of(worker: str) -> list[str]:
    """List processes that bear the worker's name: engine clients, which show it among their arguments."""
    return sorted(path.name for path in _processes() if worker.encode() in _read(path / "cmdline"))


async def _escaped(harness: ContainerHarness) -> list[str]:
    """List processes that live in a sandbox's files, with its /scratch, and in no container that there still is.

    They are looked for again and again: other workers' containers come and go between the two looks that one takes, and
    on a busy host a process may outlive its container by seconds. One that has escaped stays.
    """
    found = await _sandboxed_without_container(harness)
    for _ in range(_AGAIN_TIMES):
        if found:
            await asyncio.sleep(_AGAIN_SECONDS)
            found &= await _sandboxed_without_container(harness)
    return sorted(found)


async def _sandboxed_without_container(harness: ContainerHarness) -> set[str]:
    living = (await harness.command.run(["ps", "--all", "--quiet", "--no-trunc"])).text.encode().split()
    sandboxed = await asyncio.to_thread(lambda: [path for path in _processes() if _is_sandboxed(path)])
    return {path.name for path in sandboxed if not any(one in _read(path / "cgroup") for one in living)}


def _is_sandboxed(process: Path) -> bool:
    try:
        return (process / "root" / "scratch").is_dir() and not (process / "root").samefile("/")
    except OSError:
        return False  # it has ended, or it is another user's


def _processes() -> Iterator[Path]:
    return Path("/proc").glob("[0-9]*")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _watched_files() -> Iterator[tuple[str, tuple[int, ...]]]:
    for folder in _WATCHED:
        yield from _state_of(Path(folder))


def _state_of(folder: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Describe every file below a folder: whose it is, what may be done with it, and when it was changed."""
    for root, _, names in os.walk(folder):
        for name in names:
            path = Path(root, name)
            if path.suffix != ".pyc":
                state = path.lstat()
                yield str(path), (state.st_mode, state.st_uid, state.st_gid, state.st_size, state.st_mtime_ns)


def _marks(folders: tuple[str, ...]) -> Iterator[str]:
    """Find the file that hostile archives and builds try to leave."""
    for folder in folders:
        for depth in range(_DEPTH):
            yield from map(str, Path(folder).glob("*/" * depth + MARK))
