"""The command line of the container engine, ``docker`` or ``podman``.

Runs one command at a time. A command is ended when the task that runs it is cancelled.
"""

from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from wheelyard.adapters.host.process import Completed, LineCallback, run_program
from wheelyard.errors import EngineCommandError, EngineUnavailableError, ProgramMissingError
from wheelyard.resources import data_path

# What docker and podman print when the command is valid but no engine serves it.
_UNREACHABLE: Final = (
    "cannot connect to the docker daemon",
    "permission denied while trying to connect to the docker",
    "error during connect",
    "unable to connect to podman",
)
_PROCESSES: Final = 16384

LABEL: Final = "org.wheelyard."
"""Prefix of the labels of our containers and images."""
PROJECT_NAME: Final = "wheelyard"
PROJECT_LABEL: Final = f"{LABEL}project={PROJECT_NAME}"
"""Label of everything of ours that an engine has."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineCommand:
    """The engine's program, and the options that every command gets."""

    program: str = "docker"
    """``docker`` or ``podman``, or a path to one."""
    prefix: tuple[str, ...] = ()
    """Arguments before every subcommand, such as ``--host=...``."""
    ulimits: tuple[str, ...] = ()
    """Limits for every container that runs or builds, such as ``nofile=16384:16384``."""
    runtime: str | None = None
    """Runtime for containers that run untrusted code; None is the engine's default."""
    seccomp: Path = field(default_factory=lambda: data_path("builders") / "seccomp.json")
    """System calls that are allowed in such containers. Docker's client reads the file and sends it; Podman opens
    it where its service runs."""

    @property
    def is_podman(self) -> bool:
        """Return whether the engine is podman."""
        return is_podman(self.program)

    @property
    def ulimit_args(self) -> tuple[str, ...]:
        """Return the limits as arguments of ``run``, ``create`` and ``build``."""
        return tuple(part for ulimit in self.ulimits for part in ("--ulimit", ulimit))

    @property
    def confinement_args(self) -> tuple[str, ...]:
        """Return the arguments that take every privilege from a container's programs."""
        options = ("no-new-privileges", f"seccomp={self.seccomp}")
        return ("--cap-drop", "ALL", *(part for option in options for part in ("--security-opt", option)))

    @property
    def runtime_args(self) -> tuple[str, ...]:
        """Return the arguments that choose the runtime of untrusted containers."""
        return ("--runtime", self.runtime) if self.runtime else ()

    async def run(
        self,
        args: Sequence[str],
        *,
        stdin: AsyncIterable[bytes] | None = None,
        on_line: LineCallback | None = None,
        check: bool = True,
    ) -> Completed:
        """Run one subcommand to its end.

        Args:
            args: The subcommand and its arguments.
            stdin: What the command reads, chunk by chunk; nothing by default.
            on_line: Called with every line of both outputs as it comes.
            check: Raise if the command fails.

        Raises:
            EngineUnavailableError: The program is missing, or no engine serves it.
            EngineCommandError: The command failed, and ``check`` is set.
        """
        command = [self.program, *self.prefix, *args]
        try:
            completed = await run_program(command, stdin=stdin, on_line=on_line)
        except ProgramMissingError as error:
            raise EngineUnavailableError(engine=self.program, reason=error.reason) from error
        if completed.returncode and is_unreachable(completed.error_text):
            raise EngineUnavailableError(engine=self.program, reason=completed.error_text)
        if completed.returncode and check:
            raise EngineCommandError(command=(self.program, *args[:2]), output=completed.error_text)
        return completed


def container_ulimits(program: str, *, open_files: int) -> tuple[str, ...]:
    """Return the limits of containers, not above those of a host that may not raise its own.

    Podman would set the number of processes to the kernel's maximum, and such a host refuses that
    (https://github.com/podman-container-tools/podman/issues/18555). The number of a build's own processes is limited
    by its control group.
    """
    files = f"nofile={open_files}:{open_files}"
    return (files, f"nproc={_PROCESSES}:{_PROCESSES}") if is_podman(program) else (files,)


def is_podman(program: str) -> bool:
    """Return whether a program is podman, by its name."""
    return Path(program).name.startswith("podman")


def is_unreachable(message: str) -> bool:
    """Return whether a command failed because no engine serves it."""
    return any(phrase in message.lower() for phrase in _UNREACHABLE)
