"""What a user would do with the index: pip in the bare runtime image, as its unprivileged user, then the imports.

The only container of ours with a network: it runs pip and wheels that were proven, no project's build.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from wheelyard.adapters.engine.command import EngineCommand
from wheelyard.adapters.images.names import PROJECT_LABEL
from wheelyard.api.schemas.builds import BuildView
from wheelyard.assembly.images import engine_command
from wheelyard.assembly.service import pip_wheel
from wheelyard.cli.console import output
from wheelyard.cli.exit_codes import ExitCode
from wheelyard.cli.log_text import plain_line
from wheelyard.cli.problem import Problem, ProblemError
from wheelyard.errors import NotFoundError, VerifyFailedError
from wheelyard.settings import Settings

_CHUNK_BYTES: Final = 1 << 16
_SHOWN_PROBLEMS: Final = 3
# pip runs from its wheel, because the runtime image has none. Standard library only: this is all that is there.
_SCRIPT: Final = """
import os, shutil, subprocess, sys, venv
wheel, *pip_arguments = sys.argv[1:]
with open("/tmp/" + wheel, "wb") as file:
    while chunk := sys.stdin.buffer.read(1 << 16):
        file.write(chunk)
venv.create("/tmp/venv")
python = "/tmp/venv/bin/python"
print(f"user {os.getuid()}, Python {sys.version.split()[0]}, compiler: {shutil.which('cc') or 'none'}", flush=True)
if status := subprocess.run([python, f"/tmp/{wheel}/pip", "install", *pip_arguments]).returncode:
    sys.exit(status)
check = '''
import markupsafe, markupsafe._speedups, yaml
assert yaml.__with_libyaml__ is True, "PyYAML was built without libyaml"
assert yaml.load("a: [1, 2]", Loader=yaml.CSafeLoader) == {"a": [1, 2]}
print("imported markupsafe._speedups from", markupsafe._speedups.__file__)
print(f"imported yaml {yaml.__version__} with libyaml {'.'.join(map(str, yaml._yaml.get_version()))}")
'''
sys.exit(subprocess.run([python, "-c", check]).returncode)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Installation:
    """What is to be installed where."""

    image: str
    """The bare runtime image that the wheels were proven in."""
    index_url: str
    requirements: tuple[str, ...]

    @classmethod
    def of(cls, builds: Sequence[BuildView], *, index_url: str) -> Self:
        """Take exactly what was built, in the image that it was proven in; raises NotFoundError without a wheel."""
        images = [build.wheel.runtime_image for build in builds if build.wheel is not None]
        if len(images) < len(builds):
            raise NotFoundError(kind="wheel", name=", ".join(build.project for build in builds))
        return cls(
            image=images[0],
            index_url=index_url,
            requirements=tuple(f"{build.project}=={build.version}" for build in builds),
        )


def install_and_import(settings: Settings, wanted: Installation) -> None:
    """Install from the index in a container, and import; raises ProblemError if that does not work."""
    wheel, engine = pip_wheel(settings), engine_command(settings)
    said = deque[str](maxlen=_SHOWN_PROBLEMS)

    def show(line: str) -> None:
        said.append(line)
        output().print(f"  {plain_line(line)}", soft_wrap=True)

    command = ["python", "-c", _SCRIPT, wheel.name, *_pip_arguments(wanted)]
    arguments = ["run", *_isolation(engine), wanted.image, *command]
    completed = asyncio.run(engine.run(arguments, stdin=_read(wheel), on_line=show, check=False))
    if completed.returncode:
        raise ProblemError(_problem(wanted, said))


def _problem(wanted: Installation, said: Iterable[str]) -> Problem:
    return Problem(
        code=VerifyFailedError.code,
        detail=f"{' and '.join(wanted.requirements)} cannot be installed and imported: {' '.join(said)}",
        hint=f"Ask the index what it has: {wanted.index_url}",
        exit_code=ExitCode.BUILD_FAILED,
    )


def _isolation(engine: EngineCommand) -> list[str]:
    """Give a fresh, unprivileged, read-only container that reaches the index on this host's loopback address."""
    return [
        "--rm",
        "--interactive",
        "--network=host",
        "--read-only",
        *engine.confinement_args,
        "--tmpfs=/tmp:rw,exec,nosuid,nodev,size=256m,mode=1777",
        f"--label={PROJECT_LABEL}",
        *engine.ulimit_args,
    ]


def _pip_arguments(wanted: Installation) -> list[str]:
    quiet = ("--no-cache-dir", "--disable-pip-version-check", "--no-input")
    return [*quiet, "--index-url", wanted.index_url, "--only-binary", ":all:", *wanted.requirements]


async def _read(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            yield chunk
