"""Repositories in memory: a fake of git, for what is done with a commit."""

from dataclasses import dataclass, field
from pathlib import Path

from wheelyard.domain.builds.git_source import GitHosts, GitOrigin, GitRequest
from wheelyard.errors import GitRefUnknownError
from wheelyard.interfaces import GitCommit, GitFiles, GitPack


@dataclass(kw_only=True)
class MemoryRepositories:
    """One repository, whose refs and texts a test sets."""

    folder: Path
    hosts: GitHosts = field(default_factory=lambda: GitHosts.of(["git.example"]))
    refs: dict[str, GitCommit] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    modules: tuple[str, ...] = ()
    """Folders of its submodules."""
    sdists: dict[str, Path] = field(default_factory=dict)
    fetched: list[str] = field(default_factory=list)
    """The commits that were fetched."""

    async def resolve(self, request: GitRequest) -> GitCommit:
        """Return what the test has set."""
        self.hosts.check(request.url)
        if request.commit:
            return GitCommit(commit=request.commit)
        if request.ref not in self.refs:
            raise GitRefUnknownError(url=request.url, ref=request.ref, is_short=request.is_short_commit)
        return self.refs[request.ref]

    async def fetch(self, origin: GitOrigin) -> GitFiles:
        """Return a pack that no git could read."""
        self.hosts.check(origin.url)
        self.fetched.append(origin.commit)
        packs = [GitPack(path=path, commit=origin.commit, file=self._pack()) for path in ("", *self.modules)]
        return GitFiles(time=1_700_000_000, packs=tuple(packs), texts=self.texts)

    async def keep_sdist(self, key: str, sdist: Path) -> Path:
        """Keep the file that was made."""
        self.sdists[key] = sdist
        return sdist

    async def find_sdist(self, key: str) -> Path | None:
        """Return the file that was kept."""
        return self.sdists.get(key)

    def _pack(self) -> Path:
        path = self.folder / "pack"
        path.write_bytes(b"PACK")
        return path
