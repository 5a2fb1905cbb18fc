"""Build a wheel from an sdist with the project's own backend (PEP 517), in an isolated environment.

The library of ``python -m build`` does the steps. Only the installation of requirements goes through the worker,
because this container has no network.
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
from wheelyard_agent.cython_sources import renew_cython_sources
from wheelyard_agent.extension_sources import find_extension_sources, requirement_names
from wheelyard_agent.hooks import run_hooks
from wheelyard_agent.job import TOOLS, JobError, clean_environment, end_other_processes, run, say
from wheelyard_agent.linked_parts import TEXTS, linked_parts, watch_linkers
from wheelyard_agent.patches import apply_patches
from wheelyard_agent.prefetched import place_sources
from wheelyard_agent.read_headers import header_variables, used_packages
from wheelyard_agent.relabel import relabel_wheel
from wheelyard_agent.sdist import unpack_sdist
from wheelyard_agent.toolchains import open_toolchains


def build_wheel(channel: Channel, job: dict[str, Any], inbox: Path, scratch: Path) -> None:
    """Run a ``build`` job: ``sdist``, ``python``, ``crates``, and the recipe's keys for the build."""
    source, epoch = unpack_sdist(inbox / job["sdist"], scratch / "src")
    say(f"unpacked {job['sdist']}, SOURCE_DATE_EPOCH={epoch}")
    # The builder's Python has an empty libpython there, for projects that link it by its name alone.
    libraries = Path(job["python"]).parents[1] / "lib"
    env = clean_environment(scratch / "home", SOURCE_DATE_EPOCH=str(epoch), LIBRARY_PATH=str(libraries))
    place_sources(job["sources"], inbox=inbox, source=source)
    apply_patches(job["patches"], source=source, scratch=scratch, env=env)
    env |= open_toolchains(job["toolchains"], env=env)
    if job["crates"]:
        env["CARGO_NET_OFFLINE"] = "true"
        provide_crates(channel, source, inbox, scratch)
    environment = Environment(channel, inbox, scratch / "env", python=job["python"], env=env)
    trace = scratch / "headers.d"
    linkers = scratch / "linkers"
    plain = dict(env)
    env |= (header_variables(trace) if job["trace_headers"] else {}) | watch_linkers(linkers, env) | job["env"]
    project = open_project(source, environment, env)
    # Before any of the project's code runs, so that it cannot change the result.
    sources = find_extension_sources(
        source,
        python=_python_version(job["python"]),
        env=env,
        requires=requirement_names(project.build_system_requires),
    )
    environment.provide(project.build_system_requires)
    renew_cython_sources(
        job["cythonize"], source=source, scratch=scratch, python=environment.python, env=environment.variables(env)
    )
    _run_hooks("before-build", job, source, scratch, environment.variables(env))
    wheel = _build(project, environment, job["config_settings"], scratch / "out")
    _run_hooks("after-build", job, source, scratch, {**environment.variables(env), "WHEELYARD_WHEEL": str(wheel)})
    end_other_processes()
    _check_made(wheel, scratch / "out")
    if job["relabel"]:
        wheel = relabel_wheel(wheel, **job["relabel"])
    channel.send_file(wheel)
    parts = linked_parts(linkers, scratch / TEXTS, env=plain)
    if parts.crates:
        channel.send_file(scratch / TEXTS)
    evidence = [one._asdict() for one in sources]
    used = used_packages(trace, env=env) if job["trace_headers"] else []
    installed = environment.installed
    channel.send(
        "report",
        wheel=wheel.name,
        epoch=epoch,
        build_requirements=installed,
        sources=evidence,
        used_packages=used,
        linked=parts._asdict(),
    )


def _run_hooks(kind: str, job: Mapping[str, Any], source: Path, scratch: Path, env: Mapping[str, str]) -> None:
    run_hooks(kind, job["hooks"][kind], source=source, scratch=scratch, env=env)


def _build(project: build.ProjectBuilder, environment: Environment, settings: Mapping[str, Any], folder: Path) -> Path:
    """Build the wheel, with the backend's dynamic requirements installed."""
    try:
        environment.provide(project.get_requires_for_build("wheel", settings))
        say("building the wheel")
        return Path(project.build("wheel", folder, settings))
    except (build.BuildBackendException, build.BuildException, pyproject_hooks.HookMissing) as error:
        raise JobError("build-failed", exit_reason=describe(error)) from error
    except TypeError as error:
        raise JobError("build-failed", exit_reason=f"the build backend answered what it may not ({error})") from error


def _check_made(wheel: Path, folder: Path) -> None:
    """Check that the wheel is a regular file: a link or pipe could change before it is read."""
    if wheel.parent != folder:
        raise JobError("build-failed", exit_reason="the build backend named a wheel outside of its output folder")
    if wheel.is_symlink():
        raise JobError("build-failed", exit_reason=f"the build backend made {wheel.name}, which is no regular file")
    if not wheel.is_file():
        raise JobError("build-failed", exit_reason=f"the build backend named {wheel.name}, which it did not make")


def _python_version(path: str) -> tuple[int, int]:
    """Return a Python's version from its path, which is the same in all images; ``python3.13t`` is free-threaded."""
    major, minor = Path(path).name.removeprefix("python").removesuffix("t").split(".")
    return int(major), int(minor)


class Environment:
    """The isolated environment of the backend; the worker provides its requirements."""

    def __init__(self, channel: Channel, inbox: Path, path: Path, *, python: str, env: Mapping[str, str]) -> None:
        self._channel = channel
        self._inbox = inbox
        self._env = env
        self._asked: set[str] | None = None
        self.python = path / "bin" / "python"
        self.bin = path / "bin"
        self.installed: list[str] = []
        command = [str(TOOLS / "uv"), "venv", "--quiet", "--no-project", "--python", python, str(path)]
        if run(command, env=env) != 0:
            raise JobError("build-failed", exit_reason=f"no environment could be made with {python}")
        if channel.watch is not None:
            channel.watch.install(next(path.glob("lib/python*/site-packages")))

    def provide(self, requirements: set[str]) -> None:
        """Let the worker resolve and fetch requirements, and install the wheels that it sends.

        The first call asks even without requirements, because a recipe may add some.
        """
        if self._asked is not None and requirements <= self._asked:
            return
        self._asked = requirements | (self._asked or set())
        self._channel.send("need", requirements=sorted(self._asked))
        answer = self._channel.receive(self._inbox)
        fresh = [name for name in answer["files"] if name not in self.installed]
        say(f"installing {', '.join(fresh) or 'nothing new'}")
        if fresh:
            self._install(fresh)

    def variables(self, env: Mapping[str, str]) -> dict[str, str]:
        """Return environment variables that activate the environment."""
        return {**env, "PATH": f"{self.bin}{os.pathsep}{env['PATH']}", "VIRTUAL_ENV": str(self.bin.parent)}

    def _install(self, files: Sequence[str]) -> None:
        paths = [str(self._inbox / name) for name in files]
        command = [str(TOOLS / "uv"), "pip", "install", "--quiet", "--no-deps", "--no-index"]
        if run([*command, "--python", str(self.python), *paths], env=self._env) != 0:
            raise JobError("build-failed", exit_reason="its build requirements could not be installed")
        self.installed.extend(files)


def open_project(source: Path, environment: Environment, env: Mapping[str, str]) -> build.ProjectBuilder:
    """Return the project in a folder, whose backend runs in the environment; raise JobError."""

    def call_backend(
        cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None
    ) -> None:
        full = {**environment.variables(env), **(extra_environ or {})}
        subprocess.run(list(cmd), cwd=cwd, env=full, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=True)

    try:
        return build.ProjectBuilder(source, python_executable=str(environment.python), runner=call_backend)
    except build.BuildException as error:
        raise JobError("invalid-sdist", reason=describe(error)) from error
    except (ValueError, RecursionError) as error:
        # A backend path outside of the project, text that is not UTF-8, or tables that nest too deeply.
        raise JobError("invalid-sdist", reason=f"its pyproject.toml cannot be used ({error})") from error


def describe(error: Exception) -> str:
    """Return how a backend failed, on one line."""
    inner = getattr(error, "exception", None)
    if isinstance(inner, subprocess.CalledProcessError):
        return (
            f"the build backend was ended by signal {-inner.returncode}"
            if inner.returncode < 0
            else (f"the build backend ended with exit code {inner.returncode}")
        )
    return " ".join(str(error).split()) or type(error).__name__
