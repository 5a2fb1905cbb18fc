"""Verify a wheel in the bare runtime image: install it from the job's files only, then import it.

It only needs the standard library of the target's Python. The installer, uv, comes with the job.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import venv
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from wheelyard_agent.channel import Channel
from wheelyard_agent.commands import run_commands
from wheelyard_agent.elf import elf_members, extension_modules
from wheelyard_agent.imports import ImportResult, import_modules, load_library, site_of
from wheelyard_agent.job import JobError, clean_environment, run, say
from wheelyard_agent.libraries import Resolution, find_packages, installed_files, resolve_libraries
from wheelyard_agent.modules import is_for_import, list_modules, other_startup_files
from wheelyard_agent.platforms import refuses_platforms
from wheelyard_agent.sealed_tree import SealedTree, describe_changes
from wheelyard_agent.threads import is_free_threaded, read_gil, report_states, try_threads

_MAX_PROBLEMS = 20
_MAX_COMPANIONS = 5
_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_MAX_TOP_LEVEL = 500
"""Maximum top-level modules: each takes a process, and a check of all installed files."""
_SHARED = (Path("/tmp"), Path("/dev/shm"))  # noqa: S108 - where a container's programs may write, besides the scratch


def verify_wheel(channel: Channel, job: dict[str, Any], inbox: Path, scratch: Path) -> None:
    """Run a ``verify`` job: ``wheel``, ``project``, ``installer``, ``expect_extensions``, ``lost``, the recipe's tests.

    ``names_packages`` asks for the system packages of the libraries that the wheel uses.
    The recipe's commands run last, with their requirements. Imports are verified without these, except for modules that
    the recipe names and nested extension modules, which may need a companion.
    """
    wheel = inbox / job["wheel"]
    extensions = extension_modules(wheel, elf_members(wheel))
    _check_extensions(job["expect_extensions"], extensions)
    extensions = [name for name in extensions if is_for_import(name)]  # modules of tests need the tests' requirements
    environment = _Environment(channel, job, inbox, scratch)
    environment.make()
    try:
        results, remarks = _prove_imports(job, extensions, environment)
        run_commands(
            job["commands"], job["files"], folder=scratch / "test", environment=environment.folder, env=environment.env
        )
    except JobError as failure:
        missing = list(environment.resolve_libraries().missing)
        raise JobError(failure.code, **failure.details, missing_libraries=missing) from failure
    libraries = environment.resolve_libraries()
    imported = [result.module for result in results if result.error is None]
    skipped = {result.module: result.error for result in results if result.error is not None}
    say(f"imported {len(imported)} modules")
    for module, error in skipped.items():
        say(f"{module} could not be imported here, and need not be: {error}")
    channel.send(
        "report",
        imported=imported,
        skipped=skipped,
        remarks=remarks,
        missing_libraries=list(libraries.missing),
        packages=find_packages(libraries.found, env=environment.env) if job["names_packages"] else {},
        gil=_try_without_gil(results, extensions, environment) if is_free_threaded() else [],
    )


def _try_without_gil(
    results: Sequence[ImportResult], extensions: Sequence[str], environment: _Environment
) -> list[dict[str, Any]]:
    """Return how the extension modules get on with a free-threaded Python. It comes last: it calls anything."""
    states = read_gil(results, extensions, lambda name: environment.import_modules([name]))
    free = [name for name, is_off in states.items() if is_off]
    return report_states(states, try_threads(free, python=environment.python, env=environment.env))


class _Environment:
    """The virtual environment of the wheel, which is restored after each import."""

    def __init__(self, channel: Channel, job: dict[str, Any], inbox: Path, scratch: Path) -> None:
        self._channel = channel
        self._watch = channel.watch
        self._job = job
        self._inbox = inbox
        self._scratch = scratch
        self._seal: SealedTree | None = None
        self._native: Sequence[Path] = ()
        """The native files of the wheel, found before its code could change it."""
        self.folder = scratch / "venv"
        self.env = clean_environment(scratch / "home")
        self.python = str(self.folder / "bin" / "python")
        self.site = site_of(self.python)

    def make(self, *, requires: Sequence[str] = ()) -> None:
        """Create the environment, replacing an older one, and install the wheel with its requirements.

        Other requirements are installed first, because the installer runs the environment's Python, which would run
        the wheel's start-up code.
        """
        shutil.rmtree(self.folder, ignore_errors=True)
        venv.create(self.folder, with_pip=False, symlinks=True)
        uv = self._inbox / self._job["installer"]
        uv.chmod(0o755)
        if requires:
            _install(requires, uv, self.python, self.env)
        _install([str(self._inbox / self._job["wheel"])], uv, self.python, self.env)
        if self._watch is not None:
            self._watch.install(self.site)
        self._native = installed_files(self._inbox / self._job["wheel"], self.site)
        shared = [folder for folder in _SHARED if os.getpid() == 1 and folder.is_dir()]
        self._seal = SealedTree([self._scratch, *shared])

    def ask_for(self, modules: Sequence[str]) -> list[str]:
        """Ask the worker for the projects of modules that the wheel does not require; return those that came."""
        self._channel.send("need", modules=list(modules))
        return list(self._channel.receive(self._inbox)["requirements"])

    def pretend_programs(self, names: Collection[str]) -> None:
        """Add programs to the path that only tell a version; the environment must be made anew."""
        folder = self._scratch / "programs"
        folder.mkdir(exist_ok=True)
        for name in names:
            (folder / name).write_text(f"#!/bin/sh\necho {name} version 99.0.0\n", encoding="ascii")
            (folder / name).chmod(0o755)
        self.env["PATH"] = f"{self.env['PATH']}{os.pathsep}{folder}"

    def import_modules(
        self, names: Collection[str], *, obeyed: Collection[str] = (), parents: Sequence[str] = ()
    ) -> list[ImportResult]:
        """Import modules without start-up code, except that of some ``.pth`` files, after others if there are some."""
        return import_modules(
            sorted(names),
            python=self.python,
            env=self.env,
            lost=self._job["lost"],
            obeyed=obeyed,
            first="" if self._watch is None else self._watch.hook,
            parents=parents,
            settle=self._settle,
        )

    def loads(self, module: str) -> bool:
        """Return whether an extension module can at least be loaded."""
        *packages, name = module.split(".")
        folder = self.site.joinpath(*packages)
        files = [*folder.glob(f"{name}.*so"), *folder.glob(f"{name}/__init__.*so")]
        loaded = bool(files) and all(load_library(file, python=self.python, env=self.env) for file in files)
        self._settle(module)
        return loaded

    def resolve_libraries(self) -> Resolution:
        """Return how the libraries that the wheel's native files need are resolved."""
        return resolve_libraries(self._native, self.site, env=self.env)

    def _settle(self, module: str) -> None:
        """Restore the environment for the next module; fail if a changed file cannot be restored."""
        changes = self._seal.restore() if self._seal is not None else []
        if changes:
            what = describe_changes(changes, self.site)
            problem = f"importing {module} changed {what}, so what is imported after it is not what is published"
            raise JobError("verify-failed", problems=[problem])


def _prove_imports(
    job: dict[str, Any], extensions: list[str], environment: _Environment
) -> tuple[list[ImportResult], list[str]]:
    """Import everything; return the results, and remarks for the wheel's users on ignored errors.

    Modules that users import first must work: top-level ones and those that the recipe names. A nested extension module
    may need a companion that the wheel does not require, if it can be loaded, which verifies its libraries and symbols.
    """
    names = job["imports"] or list_modules(environment.site, job["project"])
    promised = {*(job["imports"] or _top_level(names)), *extensions}
    below = {name for name in extensions if "." in name} - set(job["imports"])
    _check_count({*names, *promised})
    starters = other_startup_files(environment.site, job["project"])
    results = environment.import_modules({*names, *promised})
    remarks: list[str] = []
    if starters:
        how = f"after {', '.join(starters)} of what it requires has run at Python's start"
        results, remarks = _try_again(
            results, promised, lambda failed: environment.import_modules(failed, obeyed=starters), how
        )
    if job["requires"]:
        environment.make(requires=job["requires"])
        how = f"beside {', '.join(job['requires'])}, which it does not require"
        results, more = _try_again(results, {*below, *job["imports"]}, environment.import_modules, how)
        remarks = [*remarks, *more]
    if not job["imports"]:
        results, more = _try_beside_more(results, promised, environment)
        remarks = [*remarks, *more]
    loaded = [one for one in results if one.module in below and one.companion and environment.loads(one.module)]
    foreign = _find_foreign(results, {*job["imports"], *extensions}, environment.site)
    excused = {one.module for one in results if (one.module in below and one.is_excused) or one in loaded}
    excused |= {one.module for one in foreign}
    failed = [one for one in results if not _is_acceptable(one, one.module in promised - excused)]
    if failed:
        problems = [_describe(one) for one in failed[:_MAX_PROBLEMS]]
        companions = sorted({one.companion for one in failed if one.companion})
        raise JobError("verify-failed", problems=problems, missing_modules=companions[:_MAX_PROBLEMS])
    lacking = [one for one in results if one.lacks]
    wanting = [one for one in results if one.wants_library]
    return results, [
        *remarks,
        *map(_describe_lacking, lacking),
        *map(_describe_loaded, loaded),
        *map(_describe_foreign, foreign),
        *map(_describe_wanting, wanting),
    ]


def _try_beside_more(
    results: list[ImportResult], promised: set[str], environment: _Environment
) -> tuple[list[ImportResult], list[str]]:
    """Import failed top-level modules again beside what they want and the wheel cannot or does not require.

    That is a program of the host, in whose place is one that only tells a version, or a module of another project.
    """
    remarks: list[str] = []
    top = _top_level([*promised])
    failed = [one for one in results if _is_unproven(one) and one.module in top]
    if programs := sorted({name for one in failed for name in one.programs})[:_MAX_COMPANIONS]:
        environment.pretend_programs(programs)
        environment.make()
        how = f"on a host that has the program {', '.join(programs)}"
        results, remarks = _try_again(results, {one.module for one in failed}, environment.import_modules, how)
        failed = [one for one in results if _is_unproven(one) and one.module in top]
    wanted = {one.companion.partition(".")[0] for one in failed if one.companion}
    parents = sorted({parent for one in failed if (parent := _named_parent(one)) is not None})
    wanted |= {*parents}
    modules = sorted(filter(_MODULE.fullmatch, wanted))[:_MAX_COMPANIONS]
    if modules and (found := environment.ask_for(modules)):
        environment.make(requires=found)
        how = f"beside {', '.join(found)}, which it does not require"
        results, more = _try_again(results, promised, environment.import_modules, how)
        remarks = [*remarks, *more]
        if parents:
            how = f"after {', '.join(parents)}, which it does not require"
            after = functools.partial(environment.import_modules, parents=parents)
            results, more = _try_again(results, promised, after, how)
            remarks = [*remarks, *more]
    return results, remarks


def _named_parent(result: ImportResult) -> str | None:
    """Return the module that a failed one is a part of by its name, if its error names that: psycopg of psycopg_c."""
    stem = result.module.rpartition("_")[0]
    return stem if stem and re.search(rf"(?<!\w){re.escape(stem)}(?!\w)", str(result.error)) else None


def _is_unproven(result: ImportResult) -> bool:
    """Return whether a failed import may work elsewhere, on Linux."""
    return result.error is not None and not result.is_broken and not result.is_foreign


def _find_foreign(results: list[ImportResult], strict: Collection[str], site: Path) -> list[ImportResult]:
    """Return the modules for other platforms whose import need not work here.

    A top-level one is of this kind only beside another one that works: a wheel needs one to be proven.
    """
    works = any(one.error is None and "." not in one.module for one in results)
    return [
        one
        for one in results
        if one.error is not None
        and one.module not in strict
        and (one.is_foreign or (not one.is_broken and "." not in one.module and _refuses_here(one.module, site)))
        and (works or "." in one.module)
    ]


def _refuses_here(module: str, site: Path) -> bool:
    file = next((path for path in (site / f"{module}.py", site / module / "__init__.py") if path.is_file()), None)
    return file is not None and refuses_platforms(file.read_text(encoding="utf-8", errors="replace"))


def _try_again(
    before: list[ImportResult],
    modules: set[str],
    import_modules: Callable[[set[str]], list[ImportResult]],
    how: str,
) -> tuple[list[ImportResult], list[str]]:
    """Import failed modules again with other settings; the other results stay."""
    failed = {one.module for one in before if one.error is not None and one.module in modules}
    again = {one.module: one for one in import_modules(failed)}
    working = [module for module, one in again.items() if one.error is None]
    return [again.get(one.module, one) for one in before], [
        f"{module} can be imported only {how}." for module in working
    ]


def _check_count(modules: Collection[str]) -> None:
    count = len({name.partition(".")[0] for name in modules})
    if count > _MAX_TOP_LEVEL:
        problem = (
            f"it has {count} top-level modules, each is imported in a process of its own, and {_MAX_TOP_LEVEL} are "
            "allowed: name those that matter in the recipe, as test.imports"
        )
        raise JobError("verify-failed", problems=[problem])


def _check_extensions(expected: list[str], found: list[str]) -> None:
    missing = [name for name in expected if name not in found]
    if missing:
        raise JobError("extension-missing", missing=missing)


def _install(what: Sequence[str], uv: Path, python: str, env: dict[str, str]) -> None:
    """Install from the job's files only."""
    command = [str(uv), "pip", "install", "--quiet", "--no-index", "--only-binary", ":all:"]
    command += ["--find-links", str(uv.parent), "--python", python, *what]
    if run(command, env=env) != 0:
        names = ", ".join(Path(one).name for one in what)
        raise JobError("verify-failed", problems=[f"{names} could not be installed, see the log"])


def _top_level(modules: list[str]) -> set[str]:
    return {name for name in modules if "." not in name}


def _is_acceptable(result: ImportResult, required: bool) -> bool:  # noqa: FBT001 - a fact, not a switch
    """Return whether a failed import is acceptable: the module is not required, and the wheel is not at fault."""
    return result.error is None or not (required or result.is_broken)


def _describe(result: ImportResult) -> str:
    return f"import {result.module}: {result.error}"


def _describe_lacking(result: ImportResult) -> str:
    return f"{result.module} cannot be imported: it wants {result.lacks}, which the wheel lacks."


def _describe_foreign(result: ImportResult) -> str:
    return f"{result.module} seems to be for another platform, and cannot be imported here: {result.error}."


def _describe_wanting(result: ImportResult) -> str:
    return f"{result.module} cannot be imported on a host without a library that it asks for: {result.error}."


def _describe_loaded(result: ImportResult) -> str:
    wants = f"it wants {result.companion}, which the wheel does not require"
    return f"{result.module} was loaded and not imported: {wants}."
