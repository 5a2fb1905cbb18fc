"""Run a recipe's test commands beside the installed wheel, in a directory that holds the recipe's test files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from wheelyard_agent.job import JobError, describe_exit, run, say
from wheelyard_agent.recipe_files import write_files


def run_commands(
    commands: Sequence[str],
    files: Sequence[Mapping[str, str]],
    *,
    folder: Path,
    environment: Path,
    env: Mapping[str, str],
) -> None:
    """Run shell commands in order in the virtual environment; the first failure fails the wheel."""
    folder.mkdir(parents=True, exist_ok=True)
    write_files(files, folder)
    active = {**env, "PATH": f"{environment / 'bin'}{os.pathsep}{env['PATH']}", "VIRTUAL_ENV": str(environment)}
    for command in commands:
        say(f"test: {command}")
        if code := run(["sh", "-c", command], env=active, cwd=folder):
            problem = f"the test command {command!r} failed: {describe_exit(code)}"
            raise JobError("verify-failed", problems=[problem])
