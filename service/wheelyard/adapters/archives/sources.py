"""Read the indexes of sources of Debian's archive. apt checks their signatures and hashes, in folders of its own."""

import asyncio
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wheelyard.adapters.host.process import run_program
from wheelyard.domain.catalogue.archive_index import MOST_BYTES
from wheelyard.errors import MirrorUnreachableError

DEBIAN: Final = "http://deb.debian.org/debian"
KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
"""The keys of Debian's archive: package debian-archive-keyring, which apt installs."""
_SECONDS: Final = 600.0
_SHOWN: Final = 600


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceArchive:
    """An archive with indexes of sources."""

    mirror: str = DEBIAN
    suites: tuple[str, ...] = ("sid",)
    keyring: Path = KEYRING
    ca_bundle: Path | None = None
    proxy: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceIndexes:
    """The indexes that could be read."""

    texts: tuple[str, ...]
    problems: tuple[str, ...]
    """What apt says about those that could not."""


async def read_source_indexes(archive: SourceArchive) -> SourceIndexes:
    """Return the indexes of the suites, as apt has verified them.

    Raises:
        MirrorUnreachableError: There is none: the mirror does not answer, or a signature is not one of the keyring's.
        ProgramMissingError: apt is not installed on this host.
    """
    with tempfile.TemporaryDirectory(prefix="wheelyard-sources-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        command = await asyncio.to_thread(_prepare, folder, archive)
        proxy = {"http_proxy": archive.proxy, "https_proxy": archive.proxy} if archive.proxy else {}
        try:
            async with asyncio.timeout(_SECONDS):
                done = await run_program(command, env={**os.environ, "LC_ALL": "C.UTF-8", **proxy})
        except TimeoutError as error:
            raise _unreachable(archive, [f"apt took more than {_SECONDS / 60:g} minutes"]) from error
        problems = [line for line in done.error_text.splitlines() if line.startswith(("E: ", "W: ", "Err:"))]
        texts = await asyncio.to_thread(_read_lists, folder / "lists")
    if not texts:
        raise _unreachable(archive, problems)
    return SourceIndexes(texts=texts, problems=tuple(problems))


def _unreachable(archive: SourceArchive, problems: Sequence[str]) -> MirrorUnreachableError:
    reason = "\n".join(problems)[:_SHOWN] or "apt found no index of sources"
    return MirrorUnreachableError(suite=", ".join(archive.suites), excerpt=reason)


def _prepare(folder: Path, archive: SourceArchive) -> list[str]:
    """Write what apt reads, and return the command. Nothing of the host's own configuration of apt is used. Blocks."""
    for part in ("lists/partial", "cache/archives/partial", "etc"):
        (folder / part).mkdir(parents=True)
    folder.chmod(0o755)  # apt reads as its own user
    (folder / "status").touch()
    lines = (f"deb-src [signed-by={archive.keyring}] {archive.mirror} {suite} main\n" for suite in archive.suites)
    (folder / "sources.list").write_text("".join(lines))
    settings = {
        "Dir::Etc": str(folder / "etc"),
        "Dir::Etc::sourcelist": str(folder / "sources.list"),
        "Dir::State": str(folder),
        "Dir::State::lists": str(folder / "lists"),
        "Dir::State::status": str(folder / "status"),
        "Dir::Cache": str(folder / "cache"),
        "Acquire::Languages": "none",
        "Acquire::Retries": "2",
        "Acquire::AllowInsecureRepositories": "false",
        "Acquire::GzipIndexes": "false",
        "APT::Sandbox::User": "root" if os.geteuid() == 0 else "",
        **({"Acquire::https::CAInfo": str(archive.ca_bundle)} if archive.ca_bundle else {}),
    }
    return ["apt-get", *(f"-o{name}={value}" for name, value in settings.items() if value), "update"]


def _read_lists(folder: Path) -> tuple[str, ...]:
    """Return what apt has verified: it moves an index out of ``partial`` only then. Blocks."""
    found = sorted(folder.glob("*_source_Sources"))
    return tuple(_read(file) for file in found)


def _read(file: Path) -> str:
    with file.open("rb") as stream:
        return stream.read(MOST_BYTES).decode(errors="replace")
