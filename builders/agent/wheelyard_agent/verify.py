"""Prove a wheel in the bare runtime image: install it from nothing but the job's files, then import it.

Needs only the standard library of the target's Python; the installer, uv, comes with the job.
"""

from __future__ import annotations

import sys
import venv
from pathlib import Path
from typing import Any

from wheelyard_agent.channel import Channel
from wheelyard_agent.commands import run_commands
from wheelyard_agent.elf import elf_members, extension_modules
from wheelyard_agent.imports import ImportResult, import_modules
from wheelyard_agent.job import JobError, clean_environment, run, say
from wheelyard_agent.modules import is_for_import, list_modules

_MAX_PROBLEMS = 20


def verify_wheel(channel: Channel, job: dict[str, Any], inbox: Path, scratch: Path) -> None:
    """Do a ``verify`` job: ``wheel``, ``project``, ``installer``, ``expect_extensions``, and the recipe's tests.

    The recipe's commands come last, with what they require: the imports are proven without it, but for extension
    modules below the top that want an optional companion.
    """
    wheel = inbox / job["wheel"]
    extensions = extension_modules(wheel, elf_members(wheel))
    _check_extensions(job["expect_extensions"], extensions)
    extensions = [name for name in extensions if is_for_import(name)]  # those of tests need what tests need
    env = clean_environment(scratch / "home")
    site = _prepare(wheel, inbox / job["installer"], scratch / "venv", env)
    if channel.watch is not None:
        channel.watch.install(site)
    names = job["imports"] or list_modules(site, job["project"])
    required = set(job["imports"]) | set(extensions) if job["imports"] else {*extensions, *_top_level(names)}
    results = import_modules(sorted({*names, *required}), python=_python(scratch / "venv"), env=env)
    if job["requires"]:
        _install(job["requires"], inbox / job["installer"], scratch / "venv", env)
        below = set(extensions) - {*job["imports"], *_top_level(names)}
        results = _try_again(results, below, job["requires"], python=_python(scratch / "venv"), env=env)
    required -= {result.module for result in results if result.is_excused} - {*job["imports"], *_top_level(names)}
    problems = [_describe(result) for result in results if not _is_acceptable(result, result.module in required)]
    if problems:
        raise JobError("verify-failed", problems=problems[:_MAX_PROBLEMS])
    environment, tests = scratch / "venv", scratch / "test"
    run_commands(job["commands"], job["files"], folder=tests, environment=environment, env=env)
    imported = [result.module for result in results if result.error is None]
    skipped = {result.module: result.error for result in results if result.error is not None}
    say(f"imported {len(imported)} modules")
    for module, error in skipped.items():
        say(f"{module} could not be imported here, and need not be: {error}")
    channel.send("report", imported=imported, skipped=skipped)


def _try_again(
    results: list[ImportResult], below: set[str], companions: list[str], *, python: str, env: dict[str, str]
) -> list[ImportResult]:
    """Import extension modules again that failed, now that their companions are there; the other results stay."""
    failed = [one.module for one in results if one.error is not None and one.module in below]
    again = {one.module: one for one in import_modules(failed, python=python, env=env)}
    if mended := [module for module, one in again.items() if one.error is None]:
        say(f"imported {', '.join(mended)} beside {', '.join(companions)} only, which the recipe's tests require")
    return [again.get(one.module, one) for one in results]


def _check_extensions(expected: list[str], found: list[str]) -> None:
    missing = [name for name in expected if name not in found]
    if missing:
        raise JobError("extension-missing", missing=missing)


def _python(environment: Path) -> str:
    return str(environment / "bin" / "python")


def _prepare(wheel: Path, uv: Path, environment: Path, env: dict[str, str]) -> Path:
    """Make a virtual environment and install the wheel into it; return its site-packages."""
    venv.create(environment, with_pip=False, symlinks=True)
    uv.chmod(0o755)
    _install([str(wheel)], uv, environment, env)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    return environment / "lib" / version / "site-packages"


def _install(what: list[str], uv: Path, environment: Path, env: dict[str, str]) -> None:
    """Install from nothing but the job's files."""
    command = [str(uv), "pip", "install", "--quiet", "--no-index", "--only-binary", ":all:"]
    command += ["--find-links", str(uv.parent), "--python", _python(environment), *what]
    if run(command, env=env) != 0:
        names = ", ".join(Path(one).name for one in what)
        raise JobError("verify-failed", problems=[f"{names} could not be installed, see the log"])


def _top_level(modules: list[str]) -> set[str]:
    return {name for name in modules if "." not in name}


def _is_acceptable(result: ImportResult, required: bool) -> bool:  # noqa: FBT001 - a fact, not a switch
    """Tell whether a module may be left unimported: not if it is required, nor if the wheel itself is at fault."""
    return result.error is None or not (required or result.is_broken)


def _describe(result: ImportResult) -> str:
    return f"import {result.module}: {result.error}"
