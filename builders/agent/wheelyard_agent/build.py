"""Build a wheel from an sdist with the project's own backend (PEP 517), in an isolated environment.

The steps are those of ``python -m build``, whose library does them; only the installing of requirements goes through
the worker, because this container has no network.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import build
import pyproject_hooks

from wheelyard_agent.channel import Channel
from wheelyard_agent.crates import provide_crates
from wheelyard_agent.job import TOOLS, JobError, clean_environment, run, say
from wheelyard_agent.sdist import unpack_sdist
from wheelyard_agent.toolchains import open_toolchains


def build_wheel(channel: Channel, job: dict[str, Any], inbox: Path, scratch: Path) -> None:
    """Do a ``build`` job: ``sdist``, ``python``, ``toolchains``, ``crates``, ``env``, ``config_settings``."""
    source, epoch = unpack_sdist(inbox / job["sdist"], scratch / "src")
    say(f"unpacked {job['sdist']}, SOURCE_DATE_EPOCH={epoch}")
    env = clean_environment(scratch / "home", SOURCE_DATE_EPOCH=str(epoch))
    env |= open_toolchains(job["toolchains"], env=env)
    if job["crates"]:
        env["CARGO_NET_OFFLINE"] = "true"
        provide_crates(channel, source, inbox, scratch)
    environment = _Environment(channel, inbox, scratch / "env", python=job["python"], env=env)
    project = _open_project(source, environment, {**env, **job["env"]})
    try:
        environment.provide(project.build_system_requires)
        settings = job["config_settings"]
        environment.provide(project.get_requires_for_build("wheel", settings))
        say("building the wheel")
        wheel = Path(project.build("wheel", scratch / "out", settings))
    except (build.BuildBackendException, build.BuildException, pyproject_hooks.HookMissing) as error:
        raise JobError("build-failed", exit_reason=_describe(error)) from error
    if not wheel.is_file():
        raise JobError("build-failed", exit_reason=f"the build backend named {wheel.name}, which it did not make")
    channel.send_file(wheel)
    channel.send("report", wheel=wheel.name, epoch=epoch, build_requirements=environment.installed)


class _Environment:
    """The isolated environment that the backend runs in; what it lacks is asked for from the worker."""

    def __init__(self, channel: Channel, inbox: Path, path: Path, *, python: str, env: Mapping[str, str]) -> None:
        self._channel = channel
        self._inbox = inbox
        self._env = env
        self._asked: set[str] = set()
        self.python = path / "bin" / "python"
        self.bin = path / "bin"
        self.installed: list[str] = []
        command = [str(TOOLS / "uv"), "venv", "--quiet", "--no-project", "--python", python, str(path)]
        if run(command, env=env) != 0:
            raise JobError("build-failed", exit_reason=f"no environment could be made with {python}")

    def provide(self, requirements: set[str]) -> None:
        """Have requirements resolved and fetched by the worker, and install the wheels that it sends."""
        if requirements <= self._asked:
            return
        self._asked |= requirements
        self._channel.send("need", requirements=sorted(self._asked))
        answer = self._channel.receive(self._inbox)
        fresh = [name for name in answer["files"] if name not in self.installed]
        say(f"installing {', '.join(fresh) or 'nothing new'}")
        if fresh:
            self._install(fresh)

    def _install(self, files: Sequence[str]) -> None:
        paths = [str(self._inbox / name) for name in files]
        command = [str(TOOLS / "uv"), "pip", "install", "--quiet", "--no-deps", "--no-index"]
        if run([*command, "--python", str(self.python), *paths], env=self._env) != 0:
            raise JobError("build-failed", exit_reason="its build requirements could not be installed")
        self.installed.extend(files)


def _open_project(source: Path, environment: _Environment, env: Mapping[str, str]) -> build.ProjectBuilder:
    path = f"{environment.bin}{os.pathsep}{env['PATH']}"

    def call_backend(
        command: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None
    ) -> None:
        full = {**env, "PATH": path, "VIRTUAL_ENV": str(environment.bin.parent), **(extra_environ or {})}
        subprocess.run(list(command), cwd=cwd, env=full, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=True)

    try:
        return build.ProjectBuilder(source, python_executable=str(environment.python), runner=call_backend)
    except build.BuildException as error:
        raise JobError("invalid-sdist", reason=_describe(error)) from error


def _describe(error: Exception) -> str:
    inner = getattr(error, "exception", None)
    if isinstance(inner, subprocess.CalledProcessError):
        return (
            f"the build backend was ended by signal {-inner.returncode}"
            if inner.returncode < 0
            else (f"the build backend ended with exit code {inner.returncode}")
        )
    return " ".join(str(error).split()) or type(error).__name__
