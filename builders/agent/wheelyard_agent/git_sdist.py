"""Make the sdist of a commit or folder with the project's own backend (PEP 517), in an isolated environment.

The worker sends packs of git objects, or the archive of a folder; they are opened here for the first time. The
repository has one commit and its tag, because backends ask git for the version and for the list of files
(docs/decisions/0042, 0045).
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import build
import pyproject_hooks

from wheelyard_agent.build import Environment, describe, open_project
from wheelyard_agent.channel import Channel
from wheelyard_agent.job import JobError, clean_environment, end_other_processes, say
from wheelyard_agent.sdist import UNREADABLE, unpack_sdist
from wheelyard_agent.toolchains import open_toolchains

_EARLIEST_ZIP_TIME = 315532800
_LATEST_TIME = (1 << 32) - 1
_GIT_SETTINGS = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_TERMINAL_PROMPT": "0",
}
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_MAX_POINTERS_SHOWN = 3
_SHA1_DIGITS = 40


def make_sdist(channel: Channel, job: dict[str, Any], inbox: Path, scratch: Path) -> None:
    """Run a ``make-sdist`` job.

    Its keys: ``packs`` or ``archive``, ``tag``, ``subdirectory``, ``time``, ``python``, and those of the recipe.
    """
    epoch = min(max(int(job["time"]), _EARLIEST_ZIP_TIME), _LATEST_TIME)
    env = clean_environment(scratch / "home", SOURCE_DATE_EPOCH=str(epoch)) | _GIT_SETTINGS
    if job["archive"]:
        tree = _open_archive(inbox / job["archive"], scratch / "src", epoch, tag=job["tag"], env=env)
        pointers = _set_times(tree, epoch)
    else:
        tree = scratch / "src" / "project"
        _check_out(job, inbox, scratch, tree, env)
        pointers = _set_times(tree, epoch)
        say(f"checked out {job['packs'][0]['commit']}, SOURCE_DATE_EPOCH={epoch}")
    source = _inside(tree, job["subdirectory"]) if job["subdirectory"] else tree
    if not source.is_dir():
        raise JobError("invalid-sdist", reason=f"it has no folder {job['subdirectory']}")
    env |= open_toolchains(job["toolchains"], env=env)
    environment = Environment(channel, inbox, scratch / "env", python=job["python"], env=env)
    env |= job["env"]
    project = open_project(source, environment, env)
    environment.provide(project.build_system_requires)
    made = _build(project, environment, job["config_settings"], scratch / "out")
    end_other_processes()
    sdist = _pack_again(made, scratch / "out", scratch / "sdist", epoch)
    channel.send_file(sdist)
    channel.send("report", sdist=sdist.name, pointers=pointers)


def _check_out(job: Mapping[str, Any], inbox: Path, scratch: Path, tree: Path, env: Mapping[str, str]) -> None:
    """Check out a commit with its submodules."""
    main, *modules = job["packs"]
    repository = _Repository(tree, tree / ".git", env)
    repository.check_out(inbox / main["file"], main["commit"], tag=job["tag"])
    for number, module in enumerate(modules):
        place = _inside(tree, module["path"])
        inner = _Repository(place, scratch / "modules" / str(number), env)
        inner.check_out(inbox / module["file"], module["commit"])
        (place / ".git").unlink()


def _open_archive(archive: Path, where: Path, epoch: int, *, tag: str | None, env: Mapping[str, str]) -> Path:
    """Unpack the archive of a folder, and make its files a commit of a new repository; return the folder."""
    tree, _ = unpack_sdist(archive, where)
    if (tree / ".git").exists() or (tree / ".git").is_symlink():
        raise JobError("invalid-sdist", reason="the folder has a .git of its own")
    _Repository(tree, tree / ".git", env).commit_all(epoch, tag=tag)
    say(f"unpacked the folder, SOURCE_DATE_EPOCH={epoch}")
    return tree


class _Repository:
    """A new repository with one commit; its configuration is ours, so no filter and no hook runs."""

    def __init__(self, tree: Path, folder: Path, env: Mapping[str, str]) -> None:
        self._tree, self._folder, self._env = tree, folder, env

    def check_out(self, pack: Path, commit: str, *, tag: str | None = None) -> None:
        """Check out the commit of a pack, whose parents are not in it."""
        self._init(*(["--object-format=sha256"] if len(commit) > _SHA1_DIGITS else []))
        with pack.open("rb") as stream:
            self._git("index-pack", "--stdin", stdin=stream)
        (self._folder / "shallow").write_text(f"{commit}\n", encoding="ascii")
        for ref in ["refs/heads/main", *([f"refs/tags/{tag}"] if tag else [])]:
            self._git("update-ref", ref, commit)
        self._git("checkout", "--quiet", "--force", "main")

    def commit_all(self, epoch: int, *, tag: str | None) -> None:
        """Commit all files of the tree; the same files give the same commit."""
        self._init()
        self._git("add", "--all", "--force", ".")
        date = f"@{epoch} +0000"
        who = {f"GIT_{role}_{what}": "wheelyard" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        dates = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
        message = ["--quiet", "--allow-empty", "--no-verify", "--message=folder"]
        self._git("commit", *message, further={**who, **dates})
        if tag:
            self._git("update-ref", f"refs/tags/{tag}", "HEAD")

    def _init(self, *kind: str) -> None:
        self._tree.mkdir(parents=True, exist_ok=True)
        apart = [] if self._folder.parent == self._tree else ["--separate-git-dir", str(self._folder)]
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        self._git("init", "--quiet", "--template=", "--initial-branch=main", *kind, *apart, ".")

    def _git(self, *arguments: str, stdin: Any = subprocess.DEVNULL, further: Mapping[str, str] | None = None) -> None:
        options = ["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "gc.auto=0"]
        done = subprocess.run(
            ["git", *options, *arguments],
            cwd=self._tree,
            env={**self._env, **(further or {})},
            stdin=stdin,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
        if done.returncode != 0:
            reason = " ".join(done.stderr.decode(errors="replace").split())[:300]
            raise JobError("invalid-sdist", reason=f"git cannot open it ({reason})")


def _inside(tree: Path, path: str) -> Path:
    """Return a folder of the tree; raise JobError if links lead out of it."""
    place = tree / path
    if not place.resolve().is_relative_to(tree.resolve()) or ".git" in Path(path).parts:
        raise JobError("invalid-sdist", reason=f"{path!r} leads out of the repository")
    return place


def _set_times(tree: Path, epoch: int) -> int:
    """Give all files the commit's time; return how many are pointers of Git LFS, whose content was not fetched."""
    pointers: list[str] = []
    for folder, folders, names in os.walk(tree):
        if ".git" in folders and folder == str(tree):
            folders.remove(".git")
        for name in (*names, *folders):
            path = Path(folder, name)
            os.utime(path, (epoch, epoch), follow_symlinks=False)
            if name in names and path.is_file() and not path.is_symlink():
                with path.open("rb") as stream:
                    if stream.read(len(_LFS_POINTER)) == _LFS_POINTER:
                        pointers.append(str(path.relative_to(tree)))
    if pointers:
        say(f"{len(pointers)} files are in Git LFS and were not fetched: {', '.join(pointers[:_MAX_POINTERS_SHOWN])}")
    return len(pointers)


def _build(project: build.ProjectBuilder, environment: Environment, settings: Mapping[str, Any], folder: Path) -> Path:
    """Make the sdist, with the backend's dynamic requirements installed."""
    try:
        environment.provide(project.get_requires_for_build("sdist", settings))
        say("making the sdist")
        return Path(project.build("sdist", folder, settings))
    except (build.BuildBackendException, build.BuildException, pyproject_hooks.HookMissing) as error:
        raise JobError("build-failed", exit_reason=f"no sdist was made: {describe(error)}") from error
    except TypeError as error:
        raise JobError("build-failed", exit_reason=f"the build backend answered what it may not ({error})") from error


def _pack_again(made: Path, folder: Path, out: Path, epoch: int) -> Path:
    """Pack the sdist again with the commit's time and no owners, so that the same commit gives the same bytes."""
    if made.parent != folder or made.is_symlink() or not made.is_file() or not made.name.endswith(".tar.gz"):
        raise JobError("build-failed", exit_reason="the build backend named an sdist that it did not make")
    out.mkdir()
    path = out / made.name
    try:
        with (
            tarfile.open(made) as source,
            path.open("wb") as file,
            gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0, compresslevel=6) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as target,
        ):
            for member in sorted(source.getmembers(), key=lambda one: (one.islnk(), one.name)):
                target.addfile(_plain(member, epoch), source.extractfile(member) if member.isreg() else None)
    except UNREADABLE as error:
        raise JobError("invalid-sdist", reason=f"the sdist that its backend made cannot be read ({error})") from error
    shutil.rmtree(folder, ignore_errors=True)
    return path


def _plain(member: tarfile.TarInfo, epoch: int) -> tarfile.TarInfo:
    """Return a member without what differs from one build to the next."""
    member.mtime, member.uid, member.gid, member.uname, member.gname = epoch, 0, 0, "", ""
    member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
    member.pax_headers = {}
    return member
