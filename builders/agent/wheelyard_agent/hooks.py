"""Run a recipe's scripts in the build's sandbox, in the unpacked sdist, with the build's environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from wheelyard_agent.job import JobError, describe_exit, run, say
from wheelyard_agent.recipe_files import write_files


def run_hooks(
    kind: str, hooks: Sequence[Mapping[str, str]], *, source: Path, scratch: Path, env: Mapping[str, str]
) -> None:
    """Run scripts in order; the first failure ends the build. ``sh -e`` runs a script without ``#!``."""
    for file in write_files(hooks, scratch / "hooks" / kind):
        name = f"{kind}/{file.relative_to(scratch / 'hooks' / kind)}"
        say(f"hook {name}")
        try:
            code = run(_command(file), env=env, cwd=source)
        except OSError as error:
            raise JobError("hook-failed", hook=name, exit_reason=f"it cannot be run ({error.strerror})") from error
        if code:
            raise JobError("hook-failed", hook=name, exit_reason=describe_exit(code))


def _command(file: Path) -> list[str]:
    with file.open("rb") as script:
        has_interpreter = script.read(2) == b"#!"
    if not has_interpreter:
        return ["sh", "-e", str(file)]
    file.chmod(0o755)
    return [str(file)]
