"""What a user would do with the index: pip in the bare runtime image, as its unprivileged user, then the imports.

The only container of ours with a network: it runs pip and wheels that were proven, no project's build.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from wheelyard.adapters.engine_command import EngineCommand
from wheelyard.adapters.image_records import PROJECT_LABEL
from wheelyard.api.schemas import BuildView
from wheelyard.cli.console import output
from wheelyard.cli.log_text import plain_line
from wheelyard.errors import NotFoundError, VerifyFailedError
from wheelyard.settings import Settings
from wheelyard.wiring import engine_command, pip_wheel

_CHUNK_BYTES: Final = 1 << 16
_SHOWN_PROBLEMS: Final = 10
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
subprocess.run([python, f"/tmp/{wheel}/pip", "install", *pip_arguments], check=True)
check = '''
import markupsafe, markupsafe._speedups, yaml
assert yaml.__with_libyaml__ is True, "PyYAML was built without libyaml"
assert yaml.load("a: [1, 2]", Loader=yaml.CSafeLoader) == {"a": [1, 2]}
print("imported markupsafe._speedups from", markupsafe._speedups.__file__)
print(f"imported yaml {yaml.__version__} with libyaml {'.'.join(map(str, yaml._yaml.get_version()))}")
'''
subprocess.run([python, "-c", check], check=True)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Installation:
    """What is to be installed where."""

    image: str
    """The bare runtime image that the wheels were proven in."""
    index_url: str
    requirements: tuple[str, ...]

    @classmethod
    def of(cls, builds: Sequence[BuildView]) -> Self:
        """Take the builds' own word for image and index; raises NotFoundError if there is no wheel."""
        wheels = [build.wheel for build in builds if build.wheel is not None and build.wheel.index_url is not None]
        if len(wheels) < len(builds):
            raise NotFoundError(kind="published wheel", name=", ".join(build.project for build in builds))
        return cls(
            image=wheels[0].runtime_image,
            index_url=wheels[0].index_url or "",
            requirements=tuple(f"{build.project}=={build.version}" for build in builds),
        )


def install_and_import(settings: Settings, wanted: Installation) -> None:
    """Install from the index in a container, and import; raises VerifyFailedError if that does not work."""
    wheel, engine = pip_wheel(settings), engine_command(settings)
    said = deque[str](maxlen=_SHOWN_PROBLEMS)

    def show(line: str) -> None:
        said.append(line)
        output().print(f"  {plain_line(line)}", soft_wrap=True)

    command = ["python", "-c", _SCRIPT, wheel.name, *_pip_arguments(wanted)]
    arguments = ["run", *_isolation(engine), wanted.image, *command]
    completed = asyncio.run(engine.run(arguments, stdin=_read(wheel), on_line=show, check=False))
    if completed.returncode:
        raise VerifyFailedError(wheel=" and ".join(wanted.requirements), problems=tuple(said))


def _isolation(engine: EngineCommand) -> list[str]:
    """Give a fresh, unprivileged, read-only container that reaches the index on this host's loopback address."""
    return [
        "--rm",
        "--interactive",
        "--network=host",
        "--read-only",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
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
