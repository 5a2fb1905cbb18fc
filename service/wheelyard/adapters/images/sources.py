"""What images contain from outside, fetched and checked by sha256 before any of it runs.

CPython's source comes from the first mirror that has it. The tools' wheels come from the index, as uv chooses them from
the lock file.
"""

import asyncio
import copy
import functools
import hashlib
import json
import os
import re
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import unquote

import httpx

from wheelyard.adapters.host.files import write_atomic
from wheelyard.adapters.host.process import LineCallback, run_program
from wheelyard.adapters.images.build import ImageOptions, discard_lines
from wheelyard.adapters.upstream.cache import ContentCache, PartialFile
from wheelyard.adapters.upstream.http import (
    IndexAddress,
    explain,
    hide_password,
    open_client,
    retrying,
    without_password,
)
from wheelyard.domain.packaging.coverage import best_wheel
from wheelyard.domain.packaging.release import IndexFile
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.untrusted.toml_text import read_toml
from wheelyard.domain.untrusted.versions import read_version
from wheelyard.errors import DownloadFailedError, HashMismatchError

_CHUNK_BYTES: Final = 1 << 20
_RETRY_SECONDS: Final = (0.5, 2.0)
_PROBE_SECONDS: Final = 20.0
_MAGIC: Final = (b"\xfd7zXZ\x00", b"\x1f\x8b", b"BZh")
"""How files begin that xz, gzip and bzip2 made."""
_MAGIC_BYTES: Final = 6
_FIRST_BYTES: Final = {"Range": "bytes=0-63", "Accept-Encoding": "identity"}
_MOST_REFUSED: Final = 100
_LOCKED_HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolsTarget:
    """The platform that the tools' wheels must run on."""

    python: str
    platform: str
    """The platform's name in uv, such as ``x86_64-manylinux_2_36``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a mirror answered when it was asked for the beginning of a tarball."""

    problem: str
    """Why the tarball is not there; empty if its first bytes are those of such a file."""
    state: str = ""
    """Identifies the bytes at the address, by the headers of the answer."""


class ImageSources:
    """Fetched files in a cache directory. An equal file is fetched once."""

    def __init__(self, *, cache_dir: Path, options: ImageOptions) -> None:
        self._cache_dir = cache_dir
        self._options = options
        self._report: LineCallback = discard_lines
        self._cache = ContentCache(root=cache_dir / "files", floor_bytes=options.disk_floor_bytes)
        self._refused = RefusedFiles(cache_dir / "refused.json")

    def reporting_to(self, report: LineCallback) -> Self:
        """Return an ImageSources with the same cache that reports its lines there."""
        other = copy.copy(self)
        other._report = report  # noqa: SLF001  its own kind
        return other

    async def fetch(self, file: IndexFile, *, mirrors: Sequence[str]) -> Path:
        """Return the path of a file, fetched from the first mirror that has its bytes.

        Raises:
            HashMismatchError: Every mirror that answered sent other bytes.
            DownloadFailedError: No mirror has it; names each one and why.
        """
        if kept := await asyncio.to_thread(self._cache.find, file):
            return kept
        async with self.open() as client:
            return await self._try_mirrors(client, file, mirrors)

    def open(self) -> httpx.AsyncClient:
        """Return a client with this host's certificates, time limit and password of the index."""
        options = self._options
        auth = IndexAddress(options.index_url) if options.index_url else None
        return open_client(ca_bundle=options.ca_bundle, timeout_seconds=options.timeout_seconds, auth=auth)

    async def has(self, file: IndexFile) -> bool:
        """Return whether a file is in the cache."""
        return await asyncio.to_thread(self._cache.find, file) is not None

    async def probe(self, client: httpx.AsyncClient, url: str) -> Answer:
        """Ask a mirror for the first bytes of a tarball. It takes 20 seconds at most."""
        try:
            async with asyncio.timeout(_PROBE_SECONDS), client.stream("GET", url, headers=_FIRST_BYTES) as response:
                response.raise_for_status()
                begin = b""
                async for chunk in response.aiter_raw():
                    begin += chunk
                    if len(begin) >= _MAGIC_BYTES:
                        break
                is_archive = begin.startswith(_MAGIC)
                return Answer(problem="" if is_archive else "it sent no compressed tarball", state=_state_of(response))
        except TimeoutError:
            return Answer(problem=f"no answer within {_PROBE_SECONDS:g} s")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Answer(problem=explain(error))

    def judge(self, url: str, answer: Answer, *, sha256: str) -> str:
        """Return why an address does not have a tarball with a sha256; empty if it seems to have it. Blocks.

        An address that sent other bytes before counts as wrong while its answers have the same headers.
        """
        if answer.problem:
            return answer.problem
        found = self._refused.find(url, sha256=sha256, state=answer.state)
        return f"its sha256 is {found}, and not {sha256}" if found else ""

    async def _try_mirrors(self, client: httpx.AsyncClient, file: IndexFile, mirrors: Sequence[str]) -> Path:
        tried: list[str] = []
        mismatches: list[HashMismatchError] = []
        for url in mirrors:
            self._report(f"{file.filename}: fetching from {without_password(url)}")
            try:
                download = functools.partial(self._download, client, file, url)
                return await retrying(download, pauses=_RETRY_SECONDS)
            except HashMismatchError as error:
                mismatches.append(error)
                tried.append(f"{without_password(url)} (its sha256 is {error.found})")
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                tried.append(f"{without_password(url)} ({explain(error)})")
        if len(mismatches) == len(tried) == 1:
            raise mismatches[0]
        raise DownloadFailedError(what=f"{file.filename} with sha256 {file.sha256}", tried=tried)

    async def _download(self, client: httpx.AsyncClient, file: IndexFile, url: str) -> Path:
        partial = PartialFile(self._cache, file)
        try:
            async with client.stream("GET", url) as response:
                response.raise_for_status()
                async for chunk in response.aiter_bytes(_CHUNK_BYTES):
                    await asyncio.to_thread(partial.write, chunk)
            try:
                return await asyncio.to_thread(partial.keep)
            except HashMismatchError as error:
                await asyncio.to_thread(
                    self._refused.note, url, sha256=file.sha256, found=error.found, state=_state_of(response)
                )
                raise
        finally:
            await asyncio.to_thread(partial.discard)

    async def fetch_tools(self, lock: Path, *, target: ToolsTarget) -> tuple[Path, ...]:
        """Return the paths of the wheels that a lock file resolves to on a target.

        Raises:
            DownloadFailedError: The index does not answer, or has no wheel of a locked release for the target.
            HashMismatchError: A wheel is not one of those that the lock file names.
        """
        wheels = await self._choose_wheels(lock, target)
        fetches = (self.fetch(wheel, mirrors=[wheel.url]) for wheel in wheels)
        return tuple(await asyncio.gather(*fetches))

    def unpack_program(self, wheel: Path, name: str) -> Path:
        """Return a program among the scripts of a wheel that ``fetch_tools`` has checked. Blocks."""
        program = self._cache_dir / "programs" / wheel.name / name
        if not program.exists():
            with zipfile.ZipFile(wheel) as archive:
                (member,) = (one for one in archive.namelist() if one.endswith(f".data/scripts/{name}"))
                data = archive.read(member)
            program.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(program, data, mode=0o755)
        return program

    async def _choose_wheels(self, lock: Path, target: ToolsTarget) -> tuple[IndexFile, ...]:
        """Ask uv which wheels fit the target, as a PEP 751 lock file. The answer is cached."""
        text = await asyncio.to_thread(lock.read_text)
        kept = self._cache_dir / "tools" / f"{_answer_name(text, target)}.json"
        if await asyncio.to_thread(kept.exists):
            return _read_wheels(json.loads(await asyncio.to_thread(kept.read_text)), text, target)
        self._report(f"{lock.name}: choosing wheels for Python {target.python} on {target.platform}")
        answer = await self._ask_uv(lock, target)
        wheels = _read_wheels(answer, text, target)
        await asyncio.to_thread(kept.parent.mkdir, parents=True, exist_ok=True)
        await asyncio.to_thread(write_atomic, kept, json.dumps(answer, default=str))
        return wheels

    async def _ask_uv(self, lock: Path, target: ToolsTarget) -> dict[str, Any]:
        options = self._options
        hide = functools.partial(hide_password, url=options.index_url or "")
        with tempfile.TemporaryDirectory(prefix="wheelyard-tools-") as folder:
            output = Path(folder, "pylock.toml")
            command = [
                options.uv_program, "pip", "compile", str(lock), "--quiet", "--no-deps", "--only-binary", ":all:",
                "--no-header", "--format", "pylock.toml", "--output-file", str(output), "--no-python-downloads",
                "--python", sys.executable, "--python-version", target.python, "--python-platform", target.platform,
            ]  # fmt: skip
            completed = await run_program(command, env=_environment(options))
            if completed.returncode:
                raise DownloadFailedError(what=f"The wheels of {lock.name}", tried=[hide(completed.error_text)])
            return read_toml(hide(await asyncio.to_thread(output.read_text)))


class RefusedFiles:
    """One JSON file: addresses that sent other bytes than promised."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def find(self, url: str, *, sha256: str, state: str) -> str:
        """Return the sha256 of what an address sent instead; empty if it did not, or has changed since. Blocks."""
        entry = self._read().get(without_password(url))
        return entry["found"] if entry and (entry["sha256"], entry["state"]) == (sha256, state) else ""

    def note(self, url: str, *, sha256: str, found: str, state: str) -> None:
        """Record what an address sent. Two processes that write at once may lose one record. Blocks."""
        entry = {"sha256": sha256, "found": found, "state": state}
        newest = list({**self._read(), without_password(url): entry}.items())[-_MOST_REFUSED:]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self._path, json.dumps(dict(newest)))

    def _read(self) -> dict[str, dict[str, str]]:
        try:
            return dict(json.loads(self._path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return {}


def _state_of(response: httpx.Response) -> str:
    """Return what identifies the bytes at an address; a part has the length of the whole in Content-Range."""
    headers = response.headers
    length = headers.get("Content-Range", "").rpartition("/")[2] or headers.get("Content-Length", "")
    return " ".join((headers.get("ETag", ""), headers.get("Last-Modified", ""), length))


def _answer_name(lock_text: str, target: ToolsTarget) -> str:
    digest = hashlib.sha256(lock_text.encode()).hexdigest()
    return f"{digest[:16]}-{target.python}-{target.platform}"


def _environment(options: ImageOptions) -> dict[str, str]:
    """Pass the index and the operator's CA to uv in its environment, where other users of the host cannot read them."""
    index = {"UV_DEFAULT_INDEX": options.index_url} if options.index_url else {}
    trust = {"SSL_CERT_FILE": str(options.ca_bundle)} if options.ca_bundle else {}
    return {**os.environ, **index, **trust}


def _read_wheels(answer: dict[str, Any], lock_text: str, target: ToolsTarget) -> tuple[IndexFile, ...]:
    """Return the chosen wheels, one of each; raise HashMismatchError for one whose hash is not in the lock file."""
    locked = set(_LOCKED_HASH.findall(lock_text))
    packages: list[dict[str, Any]] = answer.get("packages", [])
    wheels = tuple(
        wheel
        for package in packages
        for wheel in _best([_read_wheel(package, wheel) for wheel in package.get("wheels", ())], target)
    )
    for wheel in wheels:
        if wheel.sha256 not in locked:
            raise HashMismatchError(what=wheel.filename, expected="one of the locked ones", found=wheel.sha256)
    return wheels


def _best(wheels: Sequence[IndexFile], target: ToolsTarget) -> Sequence[IndexFile]:
    """Return the wheel of a package that an installer on the target prefers: uv lists each one that would run there."""
    if len(wheels) < 2:  # noqa: PLR2004
        return wheels
    architecture, _, policy = target.platform.partition("-")
    best = best_wheel(
        [wheel.filename for wheel in wheels],
        Target.parse(python=target.python, platform=f"{policy}_{architecture}"),
    )
    return [wheel for wheel in wheels if wheel.filename == best]


def _read_wheel(package: dict[str, Any], wheel: dict[str, Any]) -> IndexFile:
    return IndexFile(
        filename=unquote(wheel["url"].rpartition("/")[2]),
        url=without_password(wheel["url"]),
        sha256=wheel["hashes"]["sha256"],
        kind="wheel",
        version=read_version(package["version"]),
        size_bytes=wheel.get("size"),
    )


def source_file(*, name: str, version: str, sha256: str) -> IndexFile:
    """Return a source tarball as a file that has mirrors instead of an address of its own."""
    return IndexFile(filename=name, url="", sha256=sha256, kind="sdist", version=read_version(version))
