"""Prove a wheel in the bare runtime image: install it from nothing but the job's files, then import it.

Needs only the standard library of the target's Python; the installer, uv, comes with the job.
"""

from __future__ import annotations

import sys
import venv
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

from wheelyard_agent.channel import Channel
from wheelyard_agent.commands import run_commands
from wheelyard_agent.elf import elf_members, extension_modules
from wheelyard_agent.imports import ImportResult, import_modules, load_library
from wheelyard_agent.job import JobError, clean_environment, run, say
from wheelyard_agent.modules import is_for_import, list_modules

_MAX_PROBLEMS = 20


def verify_wheel(channel: Channel, job: dict[str, Any], inbox: Path, scratch: Path) -> None:
    """Do a ``verify`` job: ``wheel``, ``project``, ``installer``, ``expect_extensions``, ``lost``, the recipe's tests.

    The recipe's commands come last, with what they require: the imports are proven without it, but for modules that the
    recipe names and extension modules below the top, which may want a companion.
    """
    wheel = inbox / job["wheel"]
    extensions = extension_modules(wheel, elf_members(wheel))
    _check_extensions(job["expect_extensions"], extensions)
    extensions = [name for name in extensions if is_for_import(name)]  # those of tests need what tests need
    env = clean_environment(scratch / "home")
    site = _prepare(wheel, inbox / job["installer"], scratch / "venv", env)
    if channel.watch is not None:
        channel.watch.install(site)
    place = _Place(site, env, frozenset(job["lost"]))
    results, remarks = _prove_imports(job, extensions, place, inbox)
    environment, tests = scratch / "venv", scratch / "test"
    run_commands(job["commands"], job["files"], folder=tests, environment=environment, env=env)
    imported = [result.module for result in results if result.error is None]
    skipped = {result.module: result.error for result in results if result.error is not None}
    say(f"imported {len(imported)} modules")
    for module, error in skipped.items():
        say(f"{module} could not be imported here, and need not be: {error}")
    channel.send("report", imported=imported, skipped=skipped, remarks=remarks)


class _Place(NamedTuple):
    """Where the wheel is installed."""

    site: Path
    env: dict[str, str]
    lost: frozenset[str]
    """Extension modules that its sdist has sources of and it has not."""

    @property
    def python(self) -> str:
        return _python(self.site.parents[2])

    def import_modules(self, names: Collection[str]) -> list[ImportResult]:
        return import_modules(sorted(names), python=self.python, env=self.env, lost=self.lost)

    def loads(self, module: str) -> bool:
        """Tell whether an extension module can at least be loaded, from wherever it lies."""
        *packages, name = module.split(".")
        folder = self.site.joinpath(*packages)
        files = [*folder.glob(f"{name}.*so"), *folder.glob(f"{name}/__init__.*so")]
        return bool(files) and all(load_library(file, python=self.python, env=self.env) for file in files)


def _prove_imports(
    job: dict[str, Any], extensions: list[str], place: _Place, inbox: Path
) -> tuple[list[ImportResult], list[str]]:
    """Import everything; return what came of it, with sentences for the wheel's users on what was let pass.

    What a user would import at first must work: modules at the top and what the recipe names. An extension module below
    may want a companion that the wheel does not require, if it can be loaded, which proves its libraries and symbols.
    """
    names = job["imports"] or list_modules(place.site, job["project"])
    promised = {*(job["imports"] or _top_level(names)), *extensions}
    below = {name for name in extensions if "." in name} - set(job["imports"])
    results = place.import_modules({*names, *promised})
    remarks: list[str] = []
    if job["requires"]:
        _install(job["requires"], inbox / job["installer"], place.site.parents[2], place.env)
        results, remarks = _try_again(results, {*below, *job["imports"]}, place, ", ".join(job["requires"]))
    loaded = [one for one in results if one.module in below and one.companion and place.loads(one.module)]
    excused = {one.module for one in results if (one.module in below and one.is_excused) or one in loaded}
    problems = [_describe(one) for one in results if not _is_acceptable(one, one.module in promised - excused)]
    if problems:
        raise JobError("verify-failed", problems=problems[:_MAX_PROBLEMS])
    lacking = [one for one in results if one.lacks]
    return results, [*remarks, *map(_describe_lacking, lacking), *map(_describe_loaded, loaded)]


def _try_again(
    before: list[ImportResult], modules: set[str], place: _Place, companions: str
) -> tuple[list[ImportResult], list[str]]:
    """Import those of the modules again that failed, now that their companions are there; the other results stay."""
    failed = {one.module for one in before if one.error is not None and one.module in modules}
    again = {one.module: one for one in place.import_modules(failed)}
    mended = [module for module, one in again.items() if one.error is None]
    remarks = [f"{module} can be imported only beside {companions}, which it does not require." for module in mended]
    return [again.get(one.module, one) for one in before], remarks


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


def _describe_lacking(result: ImportResult) -> str:
    return f"{result.module} cannot be imported: it wants {result.lacks}, which the wheel lacks."


def _describe_loaded(result: ImportResult) -> str:
    wants = f"it wants {result.companion}, which the wheel does not require"
    return f"{result.module} was loaded and not imported: {wants}."
