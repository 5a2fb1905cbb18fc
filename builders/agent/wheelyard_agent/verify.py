"""Prove a wheel in the bare runtime image: install it from nothing but the job's files, then import it.

Needs only the standard library of the target's Python; the installer, uv, comes with the job.
"""

from __future__ import annotations

import sys
import venv
from pathlib import Path
from typing import Any

from wheelyard_agent.channel import Channel
from wheelyard_agent.elf import elf_members, extension_modules
from wheelyard_agent.imports import ImportResult, import_modules
from wheelyard_agent.job import JobError, clean_environment, run, say
from wheelyard_agent.modules import list_modules

_MAX_PROBLEMS = 20


def verify_wheel(channel: Channel, job: dict[str, Any], inbox: Path, scratch: Path) -> None:
    """Do a ``verify`` job: its fields are ``wheel``, ``project``, ``installer``, ``imports``, ``expect_extensions``."""
    wheel = inbox / job["wheel"]
    extensions = extension_modules(wheel, elf_members(wheel))
    _check_extensions(job["expect_extensions"], extensions)
    env = clean_environment(scratch / "home")
    site = _install(wheel, inbox / job["installer"], scratch / "venv", env)
    names = job["imports"] or list_modules(site, job["project"])
    required = set(job["imports"]) | set(extensions) if job["imports"] else {*extensions, *_top_level(names)}
    results = import_modules(sorted({*names, *required}), python=_python(scratch / "venv"), env=env)
    problems = [_describe(result) for result in results if not _is_acceptable(result, result.module in required)]
    if problems:
        raise JobError("verify-failed", problems=problems[:_MAX_PROBLEMS])
    imported = [result.module for result in results if result.error is None]
    skipped = {result.module: result.error for result in results if result.error is not None}
    say(f"imported {len(imported)} modules")
    for module, error in skipped.items():
        say(f"{module} could not be imported here, and need not be: {error}")
    channel.send("report", imported=imported, skipped=skipped)


def _check_extensions(expected: list[str], found: list[str]) -> None:
    missing = [name for name in expected if name not in found]
    if missing:
        raise JobError("extension-missing", missing=missing)


def _python(environment: Path) -> str:
    return str(environment / "bin" / "python")


def _install(wheel: Path, uv: Path, environment: Path, env: dict[str, str]) -> Path:
    """Make a virtual environment and install the wheel from the job's files; return its site-packages."""
    venv.create(environment, with_pip=False, symlinks=True)
    uv.chmod(0o755)
    command = [str(uv), "pip", "install", "--quiet", "--no-index", "--only-binary", ":all:"]
    command += ["--find-links", str(wheel.parent), "--python", _python(environment), str(wheel)]
    if run(command, env=env) != 0:
        raise JobError("verify-failed", problems=["it could not be installed, see the log"])
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    return environment / "lib" / version / "site-packages"


def _top_level(modules: list[str]) -> set[str]:
    return {name for name in modules if "." not in name}


def _is_acceptable(result: ImportResult, required: bool) -> bool:  # noqa: FBT001 - a fact, not a switch
    """Tell whether a module may be left unimported: not if it is required, nor if the wheel itself is at fault."""
    return result.error is None or not (required or result.is_broken)


def _describe(result: ImportResult) -> str:
    return f"import {result.module}: {result.error}"
