"""Find the shared libraries that a wheel's native files need, as this image's dynamic linker resolves them.

It only needs the standard library, because a bare runtime image has no reader of ELF. With LD_TRACE_LOADED_OBJECTS the
linker maps a file with all that it needs, runs none of their code and lists them, as ldd does (ld.so(8)); its option
``--list`` stops at the first missing one. There is no output for programs, so the lines are parsed.
"""

from __future__ import annotations

import re
import subprocess
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from wheelyard_agent.channel import Channel
from wheelyard_agent.elf import elf_members
from wheelyard_agent.job import clean_environment
from wheelyard_agent.owners import find_owners

_LOADER = re.compile(r"/(?:[^/\n]+/)*ld(?:64)?[-.][^/\n]*\bso[^/\n]*$", re.MULTILINE)
_SONAME = r"[A-Za-z0-9_.+-]{1,200}"
_MISSING = re.compile(rf"^\t({_SONAME}) => not found$", re.MULTILINE)
_FOUND = re.compile(rf"^\t({_SONAME}) => (/\S+) \(0x[0-9a-f]+\)$", re.MULTILINE)
_DATA = re.compile(r"[^/]+\.data/(?:platlib|purelib)/")
_MAX_FILES = 2000
_MAX_LIBRARIES = 100
_MAX_OUTPUT = 1 << 20
_SECONDS = 30


class Resolution(NamedTuple):
    """How the libraries of a wheel were resolved, directly needed or not."""

    found: Mapping[str, Path]
    """Files outside of the wheel and its environment, by soname."""
    missing: Sequence[str]
    """Sonames that are neither in the image nor in the environment, sorted."""


def list_missing_libraries(channel: Channel, job: dict[str, Any], inbox: Path, scratch: Path) -> None:
    """Run a ``libraries`` job: report which libraries the ``wheel`` does not find in this image."""
    wheel, folder = inbox / job["wheel"], scratch / "unpacked"
    with zipfile.ZipFile(wheel) as bundle:
        bundle.extractall(folder)  # it removes absolute paths and ".."
    resolution = resolve_libraries(installed_files(wheel, folder), folder, env=clean_environment(scratch / "home"))
    channel.send("report", missing_libraries=list(resolution.missing))


def installed_files(wheel: Path, site: Path) -> list[Path]:
    """Return the native files of a wheel as they are in a site-packages folder, without its programs."""
    files = (site / _DATA.sub("", member) for member in elf_members(wheel))
    return [file for file in files if file.is_file()][:_MAX_FILES]


def resolve_libraries(files: Iterable[Path], site: Path, *, env: Mapping[str, str]) -> Resolution:
    """Resolve the libraries of native files; those that ``site`` has under their name are neither found nor missing.

    A package may load a library of its own, or of another package, before the file that needs it.
    """
    found: dict[str, Path] = {}
    missing: set[str] = set()
    loader = _find_loader()
    for file in files if loader else ():
        text = _list(str(loader), file, env)
        missing.update(_MISSING.findall(text))
        found.update({name: Path(path) for name, path in _FOUND.findall(text)})
    if missing:
        missing -= {file.name for file in site.rglob("*.so*")}
    outside = {name: path for name, path in found.items() if not path.is_relative_to(site)}
    return Resolution(dict(sorted(outside.items())[:_MAX_LIBRARIES]), sorted(missing)[:_MAX_LIBRARIES])


def find_packages(libraries: Mapping[str, Path], *, env: Mapping[str, str]) -> dict[str, str]:
    """Return the system packages of libraries, by soname, without those that no package owns."""
    owners = find_owners(list(libraries.values()), env=env)
    return {name: owners[path].package for name, path in libraries.items() if path in owners}


def _find_loader() -> str | None:
    """Return the path of the dynamic linker of this process; None if it is linked statically."""
    match = _LOADER.search(Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace"))
    return None if match is None else match[0]


def _list(loader: str, file: Path, env: Mapping[str, str]) -> str:
    """Return what the dynamic linker lists of a file; empty text if it does not end."""
    try:
        done = subprocess.run(
            [loader, str(file)],
            env={**env, "LD_TRACE_LOADED_OBJECTS": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout[:_MAX_OUTPUT].decode(errors="replace")
