"""Fetch commits of repositories that others write: one commit without history, and its submodules.

Nothing of it is checked out here: git receives and checks a pack, lists its tree, and a sandbox opens it
(docs/decisions/0042). A fetched commit is complete in a folder of its own, or not there.
"""

import asyncio
import hashlib
import json
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from wheelyard.adapters.git.program import GitError, GitLimits, GitProgram, GitTooLargeError
from wheelyard.adapters.host.disk import check_free_space, disk_errors
from wheelyard.adapters.host.files import open_atomic, write_atomic
from wheelyard.domain.builds.git_source import GitHosts, GitOrigin, GitRequest, is_commit, relative_url
from wheelyard.domain.untrusted.json_text import read_json
from wheelyard.errors import (
    GitHostRefusedError,
    GitRefUnknownError,
    GitSourceInvalidError,
    GitSourceRefusedError,
    GitUnavailableError,
)
from wheelyard.interfaces import GitCommit, GitFiles, GitPack
from wheelyard.logs import get_logger

_log = get_logger(__name__)
IDENTITY_FILES: Final = ("pyproject.toml", "setup.cfg", "PKG-INFO")
_WANTED: Final = "refs/wheelyard/wanted"
_MAX_REFS_BYTES: Final = 1 << 20
_MAX_LIST_BYTES: Final = 32 << 20
_MAX_FILES: Final = 100_000
_MAX_FILE_BYTES: Final = 1 << 20
"""The largest file that is read for the project's name."""
_MAX_SUBMODULES: Final = 32
_MAX_DEPTH: Final = 4
_MAX_FETCHES: Final = 2
"""Fetches at the same time in one process."""
_KEPT: Final = 20
_KEPT_SECONDS: Final = 3600.0
_DAMAGED: Final = "fsck error"
"""What git says of objects that its checks refuse; with LC_ALL=C it says nothing else."""
_MODULES_FILE: Final = ".gitmodules"
_TREE_PATH: Final = re.compile(r"[^\x00-\x1f\x7f\\]{1,1000}")


@dataclass(frozen=True, kw_only=True, slots=True)
class GitOptions:
    """What the operator allows, and where commits are kept."""

    hosts: GitHosts
    root: Path
    limit_bytes: int
    """Size of a fetched commit with its submodules, and of its files unpacked."""
    disk_floor_bytes: int
    seconds: float = 120.0


class _Entry(NamedTuple):
    mode: str
    kind: str
    object: str
    size: int
    path: str


class GitRepositories:
    """The repositories on the hosts that the operator lists."""

    def __init__(self, options: GitOptions, program: GitProgram) -> None:
        self._options = options
        self._program = program
        self._turns = asyncio.Semaphore(_MAX_FETCHES)

    async def resolve(self, request: GitRequest) -> GitCommit:
        """Return the commit that a ref has now; see GitRepositories in interfaces."""
        self._options.hosts.check(request.url)
        if request.commit is not None:
            return GitCommit(commit=request.commit)
        refs = await self._list_refs(request)
        wanted = _names_of(request.ref)
        found = next((name for name in wanted if name in refs), None)
        if found is None:
            raise GitRefUnknownError(url=request.url, ref=request.ref, is_short=request.is_short_commit)
        tag = found.removeprefix("refs/tags/") if found.startswith("refs/tags/") else None
        return GitCommit(commit=refs.get(f"{found}^{{}}", refs[found]), tag=tag)

    async def fetch(self, origin: GitOrigin) -> GitFiles:
        """Return a commit's files; see GitRepositories in interfaces."""
        self._options.hosts.check(origin.url)
        folder = self._folder_of(origin)
        if (known := await asyncio.to_thread(_read_kept, folder)) is not None:
            return known
        async with self._turns:
            await asyncio.to_thread(self._make_room)
            partial = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix=".partial-", dir=self._options.root))
            try:
                return await self._fetch_all(origin, partial, folder)
            finally:
                await asyncio.to_thread(shutil.rmtree, partial, ignore_errors=True)

    async def keep_sdist(self, key: str, sdist: Path) -> Path:
        """Keep a copy of the sdist that was made; see GitRepositories in interfaces."""
        return await asyncio.to_thread(self._keep_sdist, key, sdist)

    async def find_sdist(self, key: str) -> Path | None:
        """Return the kept sdist, its content checked; see GitRepositories in interfaces."""
        return await asyncio.to_thread(_find_sdist, self._sdists / key)

    @property
    def _sdists(self) -> Path:
        return self._options.root / "sdists"

    def _folder_of(self, origin: GitOrigin) -> Path:
        text = json.dumps([origin.url, origin.commit, origin.subdirectory, self._options.hosts.origins])
        return self._options.root / f"commit-{hashlib.sha256(text.encode()).hexdigest()}"

    def _keep_sdist(self, key: str, sdist: Path) -> Path:
        place = self._sdists / key / _digest_of(sdist)
        with disk_errors(self._options.root, floor_bytes=self._options.disk_floor_bytes):
            place.mkdir(parents=True, exist_ok=True)
            with sdist.open("rb") as stream, open_atomic(place / sdist.name, mode=0o644) as kept:
                shutil.copyfileobj(stream, kept)
        return place / sdist.name

    def _make_room(self) -> None:
        """Remove old commits, and refuse to fetch onto a disk that is nearly full; raise DiskFullError."""
        root, floor = self._options.root, self._options.disk_floor_bytes
        with disk_errors(root, floor_bytes=floor):
            root.mkdir(parents=True, exist_ok=True)
            _remove_old(root, "commit-*")
            _remove_old(root, ".partial-*", kept=0)
            _remove_old(self._sdists, "[0-9a-f]*", kept=_KEPT * 10)
            check_free_space(root, floor)

    async def _list_refs(self, request: GitRequest) -> dict[str, str]:
        """Return the commits of the refs that a name may mean."""
        self._options.root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=self._options.root) as folder:
            names = _names_of(request.ref)
            peeled = [f"{name}^{{}}" for name in names if name.startswith("refs/tags/")]
            try:
                output = await self._git(
                    "ls-remote",
                    "--quiet",
                    "--",
                    request.url,
                    *names,
                    *peeled,
                    folder=Path(folder),
                    url=request.url,
                    output_bytes=_MAX_REFS_BYTES,
                )
            except GitTooLargeError as error:
                raise GitUnavailableError(url=request.url, reason=str(error)) from error
        return dict(_read_refs(output))

    async def _fetch_all(self, origin: GitOrigin, partial: Path, folder: Path) -> GitFiles:
        try:
            seconds, texts = await self._fetch_commit(origin, partial / "0", ref=origin.ref)
            entries = await self._list_tree(partial / "0", origin)
            modules = await self._fetch_submodules(origin, partial, entries)
        except GitTooLargeError as error:
            raise GitSourceRefusedError(source=str(origin), reason=str(error)) from error
        fields = {
            "commit": origin.commit,
            "time": seconds,
            "texts": texts,
            "modules": [[module.path, module.commit] for module in modules],
        }
        await asyncio.to_thread(write_atomic, partial / "contents.json", json.dumps(fields), mode=0o644)
        with suppress(OSError):  # another fetch of it was faster
            await asyncio.to_thread(partial.rename, folder)
        known = await asyncio.to_thread(_read_kept, folder)
        if known is None:
            raise GitUnavailableError(url=origin.url, reason="its commit was removed while it was fetched")
        _log.info("commit-fetched", source=str(origin), submodules=len(modules))
        return known

    async def _fetch_commit(self, origin: GitOrigin, folder: Path, *, ref: str = "") -> tuple[int, dict[str, str]]:
        """Fetch one commit into a new repository; return its time, and the texts that may name its project."""
        await asyncio.to_thread(folder.mkdir)
        await self._git("init", "--quiet", "--bare", "--template=", ".", folder=folder, url=origin.url)
        await self._fetch_object(origin, folder, ref)
        found = (
            await self._git("rev-parse", "--verify", f"{_WANTED}^{{commit}}", folder=folder, url=origin.url)
        ).decode()
        if found.strip() != origin.commit:
            raise GitUnavailableError(url=origin.url, reason=f"it does not give commit {origin.commit} any more")
        written = await self._git("log", "-1", "--format=%ct", origin.commit, folder=folder, url=origin.url)
        texts: dict[str, str] = {}
        for name in IDENTITY_FILES:
            path = f"{origin.subdirectory}/{name}" if origin.subdirectory else name
            if (text := await self._read_text(folder, origin, path)) is not None:
                texts[name] = text
        return int(written.strip() or 0), texts

    async def _fetch_object(self, origin: GitOrigin, folder: Path, ref: str) -> None:
        """Fetch a commit by its id; from a host that gives none by its id, by its ref."""
        options = ("--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head")
        try:
            await self._git(
                "fetch", *options, "--", origin.url, f"+{origin.commit}:{_WANTED}", folder=folder, url=origin.url
            )
        except GitUnavailableError:
            if not ref or is_commit(ref):
                raise
            names = [f"refs/tags/{ref}"] if origin.tag else [name for name in _names_of(ref) if "/tags/" not in name]
            await self._git(
                "fetch", *options, "--", origin.url, f"+{names[0]}:{_WANTED}", folder=folder, url=origin.url
            )

    async def _read_text(self, folder: Path, origin: GitOrigin, path: str) -> str | None:
        """Return a file of the commit as text; None if it is not there, not a file, or too large."""
        name = f"{origin.commit}:{path}"
        try:
            kind = await self._git("cat-file", "-t", name, folder=folder, url=origin.url)
            if kind.strip() != b"blob":
                return None
            content = await self._git(
                "cat-file", "blob", name, folder=folder, url=origin.url, output_bytes=_MAX_FILE_BYTES
            )
            return content.decode()
        except (GitUnavailableError, GitTooLargeError, UnicodeDecodeError):
            return None

    async def _list_tree(self, folder: Path, origin: GitOrigin) -> list[_Entry]:
        """Return the entries of a commit, if it is not larger than it may be; raise GitTooLargeError."""
        output = await self._git(
            "ls-tree",
            "-r",
            "-z",
            "--long",
            "--full-tree",
            origin.commit,
            folder=folder,
            url=origin.url,
            output_bytes=_MAX_LIST_BYTES,
        )
        entries = await asyncio.to_thread(lambda: list(_read_entries(output)))
        if len(entries) > _MAX_FILES:
            raise GitTooLargeError(f"it has {len(entries)} files; {_MAX_FILES} are allowed")
        total = sum(entry.size for entry in entries)
        if total > self._options.limit_bytes:
            raise GitTooLargeError(f"its files have {total >> 20} MiB; {self._options.limit_bytes >> 20} are allowed")
        return entries

    async def _fetch_submodules(self, origin: GitOrigin, partial: Path, entries: Sequence[_Entry]) -> list[GitPack]:
        """Fetch the submodules of a commit, and theirs, each from a listed host."""
        fetched: list[GitPack] = []
        waiting = [(origin, partial / "0", "", entries, 1)]
        while waiting:
            parent, folder, prefix, found, depth = waiting.pop(0)
            links = [entry for entry in found if entry.kind == "commit"]
            if links and depth > _MAX_DEPTH:
                raise GitTooLargeError(f"its submodules are nested deeper than {_MAX_DEPTH}")
            urls = await self._read_modules(folder, parent) if links else {}
            for link in links:
                if len(fetched) == _MAX_SUBMODULES:
                    raise GitTooLargeError(f"it has more than {_MAX_SUBMODULES} submodules")
                module = self._module_origin(origin, parent, link, urls)
                place = partial / str(len(fetched) + 1)
                await self._fetch_commit(module, place)
                await asyncio.to_thread(_check_size, partial, self._options.limit_bytes)
                fetched.append(GitPack(path=f"{prefix}{link.path}", commit=module.commit, file=place))
                waiting.append(
                    (module, place, f"{prefix}{link.path}/", await self._list_tree(place, module), depth + 1)
                )
        return fetched

    def _module_origin(self, origin: GitOrigin, parent: GitOrigin, link: _Entry, urls: dict[str, str]) -> GitOrigin:
        """Return where a submodule is, if its host is listed."""
        url = urls.get(link.path)
        if url is None:
            raise GitSourceRefusedError(source=str(origin), reason=f"its submodule {link.path!r} has no address")
        try:
            address = relative_url(parent.url, url)
            self._options.hosts.check(address)
        except (GitSourceInvalidError, GitHostRefusedError) as error:
            reason = f"its submodule {link.path!r} is at {url[:200]!r}, which is not allowed"
            raise GitSourceRefusedError(source=str(origin), reason=reason) from error
        return replace(origin, url=address, commit=link.object, ref=link.object, subdirectory="", tag=None)

    async def _read_modules(self, folder: Path, origin: GitOrigin) -> dict[str, str]:
        """Return the address of each submodule's path. git parses the file, and follows no ``include`` in it."""
        try:
            output = await self._git(
                "config",
                "--no-includes",
                "--blob",
                f"{origin.commit}:{_MODULES_FILE}",
                "-z",
                "--list",
                folder=folder,
                url=origin.url,
            )
        except GitUnavailableError:
            return {}
        values: dict[str, dict[str, str]] = {}
        for part in output.decode(errors="replace").split("\0"):
            key, _, value = part.partition("\n")
            section, _, rest = key.partition(".")
            name, _, field = rest.rpartition(".")
            if section == "submodule" and field in {"path", "url"}:
                values.setdefault(name, {})[field] = value
        return {one["path"]: one["url"] for one in values.values() if one.keys() == {"path", "url"}}

    async def _git(self, *arguments: str, folder: Path, url: str, output_bytes: int = 1 << 16) -> bytes:
        options = self._options
        limits = GitLimits(seconds=options.seconds, disk_bytes=options.limit_bytes, output_bytes=output_bytes)
        scheme = urlsplit(url).scheme
        try:
            return await self._program.run(*arguments, folder=folder, scheme=scheme, limits=limits)
        except GitError as error:
            if _DAMAGED in str(error):
                raise GitSourceRefusedError(source=url, reason=f"git refuses its objects ({error})") from error
            raise GitUnavailableError(url=url, reason=str(error)) from error


def _names_of(ref: str) -> tuple[str, ...]:
    """Return the refs that a name may mean, in git's order."""
    if ref == "HEAD" or ref.startswith("refs/"):
        return (ref,)
    return (f"refs/tags/{ref}", f"refs/heads/{ref}")


def _read_refs(output: bytes) -> Iterator[tuple[str, str]]:
    for line in output.decode(errors="replace").splitlines():
        commit, _, name = line.partition("\t")
        if is_commit(commit):
            yield name, commit


def _read_entries(output: bytes) -> Iterator[_Entry]:
    """Yield what ``git ls-tree -z --long`` lists; raise GitTooLargeError for a path that no file system should get."""
    for record in output.split(b"\0"):
        if not record:
            continue
        head, _, path = record.partition(b"\t")
        mode, kind, name, size = head.decode(errors="replace").split()
        text = path.decode(errors="replace")
        if _TREE_PATH.fullmatch(text) is None:
            raise GitTooLargeError(f"the name of its file {text[:80]!r} is too long, or has control characters")
        yield _Entry(mode, kind, name, int(size) if size.isdigit() else 0, text)


def _read_kept(folder: Path) -> GitFiles | None:
    """Return a fetched commit; None if it is not there. Blocks."""
    try:
        fields = read_json((folder / "contents.json").read_bytes())
    except FileNotFoundError:
        return None
    folder.touch()
    modules = [
        GitPack(path=path, commit=commit, file=_pack_of(folder / str(number)))
        for number, (path, commit) in enumerate(fields["modules"], start=1)
    ]
    main = GitPack(path="", commit=fields["commit"], file=_pack_of(folder / "0"))
    return GitFiles(time=fields["time"], texts=fields["texts"], packs=(main, *modules))


def _pack_of(repository: Path) -> Path:
    """Return the one pack of a repository into which one fetch went."""
    return next((repository / "objects" / "pack").glob("pack-*.pack"))


def _check_size(partial: Path, limit: int) -> None:
    """Raise GitTooLargeError if a commit and its submodules are together larger than they may be. Blocks."""
    if sum(path.stat().st_size for path in partial.glob("*/objects/pack/*.pack")) > limit:
        raise GitTooLargeError(f"it has more than {limit >> 20} MiB with its submodules")


def _find_sdist(folder: Path) -> Path | None:
    return next((path for path in folder.glob("*/*") if _digest_of(path) == path.parent.name), None)


def _digest_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _remove_old(folder: Path, pattern: str, *, kept: int = _KEPT) -> None:
    """Remove all but the newest; none that is younger than an hour, because it may be in use."""
    ages = sorted(((_modified(path), path) for path in folder.glob(pattern)), reverse=True)
    for modified, path in ages[kept:]:
        if modified < time.time() - _KEPT_SECONDS:
            shutil.rmtree(path, ignore_errors=True)


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
