"""An engine's program that holds containers, each at its first word, while the gate of its stage is closed.

The containers are real and run; what they wait for is the job that the worker has long sent.
"""

from pathlib import Path
from typing import Final

_PROGRAM: Final = """#!/bin/bash
export DOCKER_HOST={address}
case "$1" in
  run)
    for argument in "$@"; do
      case "$argument" in org.wheelyard.stage=*) gate="{barriers}/${{argument#*=}}" ;; esac
    done
    if [ -e "$gate" ]; then
      exec {engine} "$@" < <(exec 2>/dev/null; while [ -e "$gate" ]; do sleep 0.05; done; exec cat)
    fi ;;
  image | images | inspect | build)
    while [ -e "{barriers}/prepare" ]; do sleep 0.05; done ;;
esac
exec {engine} "$@"
"""


class Barriers:
    """The gates of the stages, and the program that heeds them."""

    def __init__(self, folder: Path, *, engine: str, address: str) -> None:
        self._folder = folder / "gates"
        self._folder.mkdir()
        self.program = folder / "docker"
        self.program.write_text(_PROGRAM.format(barriers=self._folder, engine=engine, address=address))
        self.program.chmod(0o755)

    def close(self, stage: str) -> None:
        """Hold whatever comes to this stage."""
        (self._folder / stage).touch()

    def open(self, stage: str) -> None:
        """Let it go on."""
        (self._folder / stage).unlink(missing_ok=True)

    def open_all(self) -> None:
        """Let everything go on."""
        for gate in self._folder.iterdir():
            gate.unlink()
