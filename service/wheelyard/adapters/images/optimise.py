"""Compile a Python with a profile and link-time optimisation, in a container beside everything else.

The container starts from the image of the quickly compiled one, which has the compiler and the headers. What runs in
it is builders/optimise_python.sh: it compiles, compares what extension modules get, and runs CPython's own tests.
"""

import hashlib
import os
import tempfile
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wheelyard.adapters.engine.command import PROJECT_LABEL, EngineCommand
from wheelyard.adapters.images.build import ImageRun, explain_failure
from wheelyard.adapters.images.context import ContextFile, stream_context
from wheelyard.adapters.images.plans import SuitePlan
from wheelyard.domain.catalogue.images import ImageRecord
from wheelyard.errors import EngineCommandError

_SCRIPT: Final = "optimise_python.sh"
_GIVEN: Final = ("compile_python.sh", "probes/compare_pythons.py")
_EXCERPT_LINES: Final = 20
_JOBS: Final = 2
"""Processes at most, so that the limit of memory holds for any number of processors: each may link a whole program."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Effort:
    """What a compilation may take of its host."""

    memory_bytes: int = 6 << 30
    """Two programs are linked at once, and each takes 1.5 GiB in the compiler and as much in the assembler."""
    seconds: int = 4 * 3600
    """It takes a quarter of an hour on two free processors; at the lowest priority it may take much longer."""
    is_background: bool = True
    """Whether everything else goes before it."""

    def arguments(self) -> tuple[str, ...]:
        """Return them as arguments of ``run``: the lowest share of processors, and the first to go without memory."""
        limits = ("--memory", str(self.memory_bytes), "--pids-limit", "1024")
        return (*limits, "--cpu-shares", "2", "--oom-score-adj", "900") if self.is_background else limits


def script_texts(builders_dir: Path) -> tuple[str, ...]:
    """Return what determines an optimised Python, besides its definition. Blocks."""
    return tuple((builders_dir / name).read_text() for name in (_SCRIPT, *_GIVEN))


async def make_optimised(  # noqa: PLR0913  (what an image is made of)
    run: ImageRun, plan: SuitePlan, python: str, *, quick: ImageRecord, source: Path, builders_dir: Path, effort: Effort
) -> ImageRecord:
    """Compile, test and return the image with an optimised Python.

    Args:
        run: What it is made with.
        plan: The suite's plan.
        python: Which Python.
        quick: The image with the quickly compiled one.
        source: The source that ``quick`` was compiled from.
        builders_dir: Folder of the scripts.
        effort: What it may take.

    Raises:
        ImageBuildFailedError: It does not compile, differs for extension modules, or fails its tests.
        DiskFullError: There is too little space.
    """
    name = plan.optimised_name(python)
    run.report(f"{name.tag}: compiling with a profile and link-time optimisation, which takes a quarter of an hour")
    container = _container_name(run, name.tag)
    texts = dict(zip((_SCRIPT, *_GIVEN), script_texts(builders_dir), strict=True))
    files = [ContextFile(name=Path(file).name, content=texts[file].encode()) for file in _GIVEN]
    context = stream_context([*files, ContextFile(name="python.tar", content=source)])
    tail: deque[str] = deque(maxlen=_EXCERPT_LINES)

    def on_line(line: str) -> None:
        if line.strip():
            tail.append(line.rstrip())
            run.report(line)

    await remove_container(run.engine, container)
    try:
        with tempfile.TemporaryDirectory(prefix="wheelyard-python-") as folder:
            arguments = _run_arguments(run, plan, python, quick=quick, container=container, effort=effort)
            try:
                await run.engine.run([*arguments, texts[_SCRIPT]], stdin=context, on_line=on_line)
            except EngineCommandError as error:
                text = "\n".join(tail) or error.output
                raise explain_failure(text, image=name.tag, suite=plan.suite) from error
            archive = Path(folder, "python.tar")
            await run.engine.run(["cp", f"{container}:/scratch/python.tar", str(archive)])
            return await run.build(plan.optimised_build(python, quick=quick, archive=archive))
    finally:
        await remove_container(run.engine, container)


async def remove_container(engine: EngineCommand, container: str) -> None:
    """Remove a container and its volume, if it is there: of this process, or of one that was killed."""
    await engine.run(["rm", "--force", "--volumes", container], check=False)


def _container_name(run: ImageRun, tag: str) -> str:
    """Return a name that a later process of this host finds again, and no other service uses."""
    place = hashlib.sha256(str(run.options.lock_dir.resolve()).encode()).hexdigest()[:8]
    return f"{tag.replace('/', '-').replace(':', '-')}-{place}"


def _run_arguments(  # noqa: PLR0913  (a container has many options)
    run: ImageRun, plan: SuitePlan, python: str, *, quick: ImageRecord, container: str, effort: Effort
) -> list[str]:
    environment = {
        "PYTHON": python,
        "PYTHON_CONFIGURE": " ".join(plan.python(python).configure),
        "SOURCE_DATE_EPOCH": str(plan.catalogue.source_date_epoch),
        "JOBS": str(min(os.cpu_count() or 1, _JOBS)),
    }
    variables = [part for name, value in environment.items() for part in ("--env", f"{name}={value}")]
    # A volume, because the layers of some engines are slow: fuse-overlayfs has one process for all of it.
    return [
        "run", "--interactive", "--pull=never", "--name", container, "--label", PROJECT_LABEL, "--network", "none",
        "--user", "1000:1000", "--workdir", "/scratch", "--volume", "/scratch", *run.engine.confinement_args,
        *run.engine.ulimit_args, *effort.arguments(), *variables, quick.id,
        "timeout", str(effort.seconds), "nice", "-n", "19" if effort.is_background else "0", "sh", "-euc",
    ]  # fmt: skip
