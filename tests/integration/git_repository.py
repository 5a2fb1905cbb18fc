"""Repositories that tests make: a tree of files as one commit, with the tag and the submodules that a test wants."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

TIME: Final = 1_700_000_000
"""The time of each commit."""


class Repository:
    """A repository whose commits are served to the service."""

    def __init__(self, root: Path, name: str) -> None:
        self.name = name
        self.folder = root / name
        self.folder.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")
        # Hosts give a commit by its id to whoever knows it.
        self.git("config", "uploadpack.allowAnySHA1InWant", "true")

    def git(self, *arguments: str, stdin: bytes | None = None) -> str:
        """Run git in the repository."""
        stamp = f"{TIME} +0000"
        names = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in _PERSON.items()}
        dates = {"GIT_AUTHOR_DATE": stamp, "GIT_COMMITTER_DATE": stamp}
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), **names, **dates}
        command = ["git", "-c", "protocol.file.allow=always", *arguments]
        done = subprocess.run(command, cwd=self.folder, env=environment, input=stdin, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def commit(self, files: Mapping[str, bytes], *, tag: str | None = None) -> str:
        """Commit files in addition to those that are there; return the commit."""
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self.git("add", "--all", "--force")
        return self.commit_index(tag=tag)

    def commit_index(self, *, tag: str | None = None) -> str:
        """Commit what the index holds; return the commit."""
        self.git("commit", "--quiet", "--allow-empty", "--message", "a commit")
        if tag is not None:
            self.git("tag", "--force", "--annotate", "--message", "a tag", tag)
        return self.git("rev-parse", "HEAD")

    def add_entry(self, mode: str, name: str, path: str) -> None:
        """Put an entry into the index that no tool of git would make."""
        self.git("update-index", "--add", "--cacheinfo", f"{mode},{name},{path}")


_PERSON: Final = {"NAME": "A. Person", "EMAIL": "person@example.org"}
