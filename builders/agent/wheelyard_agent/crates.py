"""Crates in the build container: send the sdist's manifests, and let cargo use the crates from the worker.

This runs before any of the project's code. The worker decides what may be fetched.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

from wheelyard_agent.channel import Channel
from wheelyard_agent.job import JobError, say
from wheelyard_agent.toml_tables import read_toml, table
from wheelyard_agent.vendor import LOCKS

_FILES = ("Cargo.toml", "Cargo.lock")
_MAX_BYTES = 1_500_000  # the worker accepts headers of 2 MiB
_CONFIG = """[source.crates-io]
replace-with = "wheelyard"
[source.wheelyard]
directory = "{crates}"
[net]
offline = true
"""


def provide_crates(channel: Channel, source: Path, inbox: Path, scratch: Path) -> None:
    """Let the worker fetch the crates of an sdist, unless the sdist includes them."""
    files = {
        str(path.relative_to(source)): path.read_text(encoding="utf-8", errors="replace")
        for path in _find_files(source)
    }
    if not any(path.endswith("Cargo.toml") for path in files):
        say("no crates to fetch: the sdist has no Cargo.toml, or carries its crates itself")
        return
    if sum(map(len, files.values())) > _MAX_BYTES:
        raise JobError("crates-refused", reason=f"its Cargo manifests are larger than {_MAX_BYTES} bytes")
    channel.send("need", what="crates", files=files, named=sorted(set(_named_manifests(source)) & set(files)))
    answer = channel.receive(inbox)
    _install(inbox / answer["crates"], scratch / "crates", scratch / "home" / ".cargo")
    _place_locks(scratch / "crates" / LOCKS, source)


def _install(archive: Path, crates: Path, cargo_home: Path) -> None:
    crates.mkdir()
    with tarfile.open(archive) as tar:
        tar.extractall(crates, filter="data")
    archive.unlink()  # it is in memory
    cargo_home.mkdir(parents=True, exist_ok=True)
    (cargo_home / "config.toml").write_text(_CONFIG.format(crates=crates), encoding="utf-8")
    say(f"{sum(1 for _ in crates.iterdir())} crates are there")


def _place_locks(locks: Path, source: Path) -> None:
    """Put lock files that were made outside in the place of missing or old ones."""
    for lock in sorted(locks.rglob("Cargo.lock")):
        place = source / lock.relative_to(locks)
        place.unlink(missing_ok=True)  # it may be a link
        place.parent.mkdir(parents=True, exist_ok=True)
        lock.rename(place)
        say(f"{place.relative_to(source)} was made with the crates")
    shutil.rmtree(locks, ignore_errors=True)


def _find_files(source: Path) -> Iterator[Path]:
    """Yield manifests and lock files, except of vendored crates and of folders that use them."""
    for folder, folders, names in os.walk(source):
        here = Path(folder)
        if ".cargo-checksum.json" in names or _brings_its_crates(here):
            folders.clear()
            continue
        yield from (here / name for name in _FILES if name in names and not (here / name).is_symlink())


def _brings_its_crates(folder: Path) -> bool:
    """Return whether cargo is configured there to use crates of the sdist (``cargo vendor``)."""
    files = (folder / ".cargo" / name for name in ("config.toml", "config"))
    return any("replace-with" in table(read_toml(file), "source", "crates-io") for file in files if file.is_file())


def _named_manifests(source: Path) -> Iterator[str]:
    """Yield the manifests that pyproject.toml names for maturin or setuptools-rust."""
    project = read_toml(source / "pyproject.toml")
    if (path := table(project, "tool", "maturin").get("manifest-path")) is not None:
        yield os.path.normpath(str(path))
    rust = table(project, "tool", "setuptools-rust")
    for entries in (rust.get("ext-modules"), rust.get("bins")):
        for entry in entries if isinstance(entries, list) else ():
            yield os.path.normpath(str(table(entry).get("path", "Cargo.toml")))
