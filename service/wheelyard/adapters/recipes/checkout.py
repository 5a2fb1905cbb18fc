"""Recipes in a git repository, fetched with git, one folder for each commit.

Hooks, submodules, symbolic links and every transport but the address's own are disabled. A new commit is complete
before it is used. If a repository cannot be reached, the old commit stays in use.
"""

import asyncio
import contextlib
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from wheelyard.adapters.git.program import SAFE_OPTIONS, GitError
from wheelyard.adapters.host.file_lock import FileLock
from wheelyard.adapters.host.files import write_atomic
from wheelyard.adapters.host.process import run_program
from wheelyard.domain.recipes.source import GitSource, SourceStatus
from wheelyard.errors import AlreadyRunningError, ProgramMissingError, RecipesUnavailableError
from wheelyard.logs import get_logger

_TIMEOUT_SECONDS: Final = 120.0
_KEPT_COMMITS: Final = 2
_POLL_SECONDS: Final = 0.05
_REFERENCE: Final = "refs/wheelyard/current"
_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_LEFTOVER_SECONDS: Final = 3600.0
"""Age in seconds after which an incomplete checkout was interrupted. git's time limit is far shorter."""
_HELPER: Final = (
    '!f() { test "$1" != get || printf "username=%s\\npassword=%s\\n" "$WHEELYARD_GIT_USER" "$WHEELYARD_GIT_KEY"; }; f'
)
_log = get_logger(__name__)


class RecipeCheckout:
    """The recipes of one repository."""

    def __init__(self, source: GitSource, *, root: Path, timeout_seconds: float = _TIMEOUT_SECONDS) -> None:
        self._source = source
        self._home = root / hashlib.sha256(f"{source.url}@{source.ref}".encode()).hexdigest()[:16]
        self._current = self._home / "current"
        self._timeout_seconds = timeout_seconds
        self._problem = ""

    @property
    def folder(self) -> Path:
        """Folder of the recipes of the newest commit; raise RecipesUnavailableError if none was ever fetched."""
        commit = self._commit()
        if commit is None:
            raise RecipesUnavailableError(source=str(self._source), reason=self._problem or "it was not fetched yet")
        folder = self._commits / commit / self._source.subdirectory
        # Without this check, each project would be built as one without a recipe.
        if not folder.is_dir():
            reason = f"its commit {commit[:12]} has no folder {self._source.subdirectory}"
            raise RecipesUnavailableError(source=str(self._source), reason=reason)
        return folder

    def status(self) -> SourceStatus:
        """Return which commit is in use, and why it is not newer."""
        return SourceStatus(place=str(self._source), commit=self._commit(), problem=self._problem)

    async def update(self) -> None:
        """Fetch the newest commit. A failure is recorded and logged, and the old commit stays in use."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await asyncio.to_thread(self._home.mkdir, parents=True, exist_ok=True)
                async with self._alone():
                    await self._fetch()
        except (OSError, ProgramMissingError, TimeoutError, GitError) as error:
            reason = str(error) or f"git took more than {self._timeout_seconds:.0f} seconds"
            if reason != self._problem:
                _log.warning("recipes-not-updated", source=str(self._source), reason=reason)
            self._problem = reason
        else:
            self._problem = ""

    def _commit(self) -> str | None:
        """Return the commit in use; None if its files are gone, so that it is fetched again."""
        try:
            commit = self._current.read_text(encoding="ascii")
        except FileNotFoundError:
            return None
        return commit if (self._commits / commit).is_dir() else None

    @contextlib.asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """Hold the repository alone, against other checkouts of it and other processes."""
        lock = FileLock(self._home / "lock")
        while True:
            try:
                lock.acquire()
                break
            except AlreadyRunningError:
                await asyncio.sleep(_POLL_SECONDS)
        try:
            yield
        finally:
            lock.release()

    async def _fetch(self) -> None:
        await self._git("init", "--quiet", "--bare", str(self._repository))
        refspec = f"+{self._source.ref}:{_REFERENCE}"
        options = ("--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules")
        await self._git("fetch", *options, "--", self._source.url, refspec)
        commit = await self._git("rev-parse", "--verify", f"{_REFERENCE}^{{commit}}")
        if commit != self._commit():
            await self._use(commit)

    async def _use(self, commit: str) -> None:
        commits = self._commits
        if not (commits / commit).exists():
            commits.mkdir(exist_ok=True)
            partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=commits))
            try:
                await self._git(f"--work-tree={partial}", "checkout", "--force", "--quiet", commit, "--", ".")
                await asyncio.to_thread(partial.rename, commits / commit)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
        write_atomic(self._current, commit, mode=0o666)
        _log.info("recipes-updated", source=str(self._source), commit=commit)
        await asyncio.to_thread(_remove_old, commits, current=commit)

    @property
    def _commits(self) -> Path:
        return self._home / "commits"

    @property
    def _repository(self) -> Path:
        return self._home / "repository"

    async def _git(self, *arguments: str) -> str:
        # The variable overrides every setting of the host's git, so no other transport can be used.
        env = {
            **os.environ,
            "GIT_ALLOW_PROTOCOL": self._source.scheme,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_LFS_SKIP_SMUDGE": "1",
            **_login(self._source),
        }
        directory = () if arguments[0] == "init" else (f"--git-dir={self._repository}",)
        done = await run_program(["git", *SAFE_OPTIONS, *directory, *arguments], env=env)
        if done.returncode != 0:
            raise GitError(done.error_text or f"git ended with {done.returncode}")
        return done.text


def _login(source: GitSource) -> dict[str, str]:
    """Return the environment that gives git a user and a password. Other users of the host can read command lines.

    The helper is a line of shell that git runs. It names the variables, so its own command line shows no secret. The
    empty helper before it disables the host's own helpers, which would store the password. For a user without a
    password, the host's helpers are asked for one.
    """
    if not source.user and not source.password:
        return {}
    if not source.password:
        user = {"GIT_CONFIG_KEY_0": f"credential.{source.url}.username", "GIT_CONFIG_VALUE_0": source.user}
        return {"GIT_CONFIG_COUNT": "1", **user}
    return {
        "WHEELYARD_GIT_USER": source.user,
        "WHEELYARD_GIT_KEY": source.password,
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": "credential.helper",
        "GIT_CONFIG_VALUE_0": "",
        "GIT_CONFIG_KEY_1": f"credential.{source.url}.helper",
        "GIT_CONFIG_VALUE_1": _HELPER,
    }


def _remove_old(commits: Path, *, current: str) -> None:
    """Keep the newest commits and the one in use, whatever its age: a request may still read the previous one.

    What is not a commit is a checkout that was interrupted, or one that another process is making.
    """
    complete = [folder for folder in commits.iterdir() if _COMMIT.fullmatch(folder.name) and folder.name != current]
    leftovers = [folder for folder in commits.iterdir() if _COMMIT.fullmatch(folder.name) is None]
    old = sorted(complete, key=_modified, reverse=True)[_KEPT_COMMITS - 1 :]
    broken = [folder for folder in leftovers if _modified(folder) < time.time() - _LEFTOVER_SECONDS]
    for folder in (*old, *broken):
        shutil.rmtree(folder, ignore_errors=True)


def _modified(folder: Path) -> float:
    """Return when a folder was last changed; 0 if it is gone."""
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:
        return 0.0
