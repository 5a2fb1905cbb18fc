"""Check an image's promises against the image itself, in a container without network or privileges.

The probes are programs in builders/probes. They run as the user that the image itself names.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from wheelyard.adapters.engine.command import PROJECT_LABEL, EngineCommand
from wheelyard.adapters.images.context import stream_file
from wheelyard.domain.catalogue.images import ImageRecord

# Confined, but not --read-only: the image itself must forbid what its user may not write.
_CONFINED: Final = ("--rm", "--interactive", "--network", "none", "--label", PROJECT_LABEL)
_PYTHONS: Final = {"runtime": "python3", "builder": "/opt/wheelyard/tools/bin/python"}
_RUNTIME_LIMIT_BYTES: Final = 150 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageCheck:
    """One promise, and the evidence against it."""

    name: str
    promise: str
    problems: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageReport:
    """The result of checking an image."""

    image: str
    python: str
    """Full version of the Python that runs in a runtime image."""
    size_bytes: int
    checks: tuple[ImageCheck, ...]
    part_sizes: tuple[tuple[str, int], ...]
    """Size in bytes of each part, largest first."""

    @property
    def passed(self) -> bool:
        """Whether every promise is kept."""
        return not any(check.problems for check in self.checks)


async def check_image(engine: EngineCommand, image: ImageRecord, *, probes: Path) -> ImageReport:
    """Run three probes in an image: for its role, for the files of all images, and for what the kernel refuses."""
    document = await _probe(engine, image, probes / f"{image.role}.py")
    files = await _probe(engine, image, probes / "files.py")
    kernel = await _probe(engine, image, probes / "kernel.py")
    checks = [
        ImageCheck(name=c["name"], promise=c["promise"], problems=tuple(c["problems"]))
        for c in (*document["checks"], *files["checks"], *kernel["checks"])
    ]
    if image.role == "runtime":
        checks.append(_check_size(image))
    return ImageReport(
        image=image.tags[0] if image.tags else image.id,
        python=document["python"],
        size_bytes=image.size_bytes,
        checks=tuple(checks),
        part_sizes=tuple(document["sizes"].items()),
    )


async def _probe(engine: EngineCommand, image: ImageRecord, program: Path) -> dict[str, Any]:
    confined = (*_CONFINED, *engine.confinement_args, *engine.runtime_args, *engine.ulimit_args)
    args = ["run", *confined, image.id, _PYTHONS[image.role], "-I", "-"]
    printed = await engine.run(args, stdin=stream_file(program))
    document: dict[str, Any] = json.loads(printed.stdout)
    return document


def _check_size(image: ImageRecord) -> ImageCheck:
    problems = () if image.size_bytes <= _RUNTIME_LIMIT_BYTES else (f"{image.size_bytes >> 20} MiB",)
    return ImageCheck(name="size", promise=f"It has at most {_RUNTIME_LIMIT_BYTES >> 20} MiB.", problems=problems)
