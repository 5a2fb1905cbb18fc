"""Apply a recipe's patches to the unpacked sdist, before anything reads it. Every builder has GNU patch."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from wheelyard_agent.job import JobError, say
from wheelyard_agent.recipe_files import write_files

_MAX_HUNK = 1200
# patch(1) must not guess: the context must match (no fuzz), and an applied patch is an error (force).
_OPTIONS = ("--strip=1", "--fuzz=0", "--force", "--no-backup-if-mismatch")


def apply_patches(patches: Sequence[Mapping[str, str]], *, source: Path, scratch: Path, env: Mapping[str, str]) -> None:
    """Apply patches in order, with paths such as ``a/setup.py`` as git writes them."""
    files = write_files(patches, scratch / "patches")
    for patch, file in zip(patches, files):  # noqa: B905  Python 3.9 has no "strict"; they are of equal length
        _apply(patch["name"], file, source=source, rejects=scratch / "rejects", env=env)


def _apply(name: str, file: Path, *, source: Path, rejects: Path, env: Mapping[str, str]) -> None:
    say(f"patch {name}")
    done = subprocess.run(
        ["patch", *_OPTIONS, f"--reject-file={rejects}", f"--input={file}"],
        cwd=source,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    output = done.stdout.decode(errors="replace").strip()
    say(output)
    if done.returncode:
        hunk = rejects.read_text(encoding="utf-8", errors="replace") if rejects.exists() else ""
        say(hunk or "there is no such file to be patched")
        raise JobError("patch-failed", patch=name, reason=_first_problem(output), hunk=hunk.strip()[:_MAX_HUNK])


def _first_problem(output: str) -> str:
    """Return the line with the first problem and its file."""
    file = ""
    for line in output.splitlines():
        if line.startswith("patching file "):
            file = f"{line[len('patching file ') :]}: "
        elif "FAILED" in line or "ignored" in line or line.startswith("can't find file"):
            return f"{file}{line}".rstrip(".")
    return output[-_MAX_HUNK:] or "patch gave no reason"
