"""Measure the images: the size of each part, each stage built cold and from the cache, and an application rebuilt.

A stage is built cold by a label of this run at the top of every stage, so that nothing of this run is in the engine's
cache. The stages above it were built just before and are cached, so its time is its own. The second build comes from
the cache. Everything has names of this run's own and is removed at the end: images that others use are left alone, and
those of the suite are built first if they are missing.

    python -m benchmarks.images [--suite bookworm] [--python 3.13] [--stage toolchain --stage builder]
                                [--no-application] [--index URL] [--sources URL]

``python`` compiles CPython, in minutes; name the other stages to leave it out. ``--index`` is an index with the wheels
of examples/noticeboard (``wheelyard up`` prints it); without it that half is left out. ``--sources`` is the index that
its sdists come from, where image builds do not reach uv's default.
"""

import argparse
import asyncio
import json
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from uv import find_uv_bin

from wheelyard.adapters.engine.command import EngineCommand
from wheelyard.adapters.host.process import run_program
from wheelyard.adapters.images.base import make_base, read_apt_mirror
from wheelyard.adapters.images.build import ImageBuild, ImageOptions
from wheelyard.adapters.images.builder import ImageBuilder
from wheelyard.adapters.images.context import stream_file
from wheelyard.adapters.images.names import find_image
from wheelyard.adapters.images.plans import Parts, PythonImage, SuitePlan
from wheelyard.adapters.images.sources import ImageSources, ToolsTarget, source_file
from wheelyard.assembly import parts
from wheelyard.assembly.images import image_builder, image_options
from wheelyard.domain.catalogue.catalogue import APT_MIRROR
from wheelyard.domain.catalogue.images import ImageRecord
from wheelyard.domain.packaging.target import uv_platform
from wheelyard.resources import data_path
from wheelyard.settings import load_settings

EXAMPLE: Final = Path(__file__).parents[1] / "examples" / "noticeboard"
BOOTSTRAP: Final = "bootstrap"
COMPILING: Final = ("base", "bare", "toolchain", "python")
"""Stages of the Dockerfile up to a compiled Python, in order."""
FINISHING: Final = ("trimmed", "runtime", "tools", "builder")
"""Stages that are built from it."""
SHOWN_PARTS: Final = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Bench:
    """What all measurements share."""

    engine: EngineCommand
    images: ImageBuilder
    plan: SuitePlan
    options: ImageOptions
    sources: ImageSources
    python: str
    run: str
    """This run's own name."""

    def tag(self, name: str) -> str:
        """Return this run's name of an image."""
        return f"wheelyard-benchmark/{name}:{self.run}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """Durations in seconds: first cold, then in other ways."""

    name: str
    cold: float
    others: dict[str, float]

    def print(self) -> None:
        """Print a line of the table, with the ratio of each to the cold one."""
        others = "".join(
            f"   {how} {seconds:6.1f} s ({seconds / self.cold:5.3f})" for how, seconds in self.others.items()
        )
        print(f"{self.name:10} cold {self.cold:6.1f} s{others}", flush=True)


def main() -> None:
    """Measure what the options select, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", default="bookworm")
    parser.add_argument("--python", default="3.13")
    parser.add_argument("--stage", action="append", choices=(BOOTSTRAP, *COMPILING, *FINISHING))
    parser.add_argument("--application", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--index")
    parser.add_argument("--sources")
    asyncio.run(_measure(parser.parse_args()))


async def _measure(arguments: argparse.Namespace) -> None:
    bench = await _prepare(arguments.suite, arguments.python)
    await _print_sizes(bench)
    wanted = arguments.stage or (BOOTSTRAP, *COMPILING, *FINISHING)
    await _time_stages(bench, wanted)
    if arguments.application:
        await _time_applications(bench, arguments.index, arguments.sources)


async def _prepare(suite: str, python: str) -> Bench:
    settings = load_settings()
    images, options = image_builder(parts.Parts(settings)), image_options(settings)
    await images.ensure_builder(suite, python=python)
    await images.ensure_runtime(suite, python)
    return Bench(
        engine=parts.Parts(settings).engine,
        images=images,
        plan=await images.plan(suite),
        options=options,
        sources=ImageSources(cache_dir=settings.state_dir / "cache" / "images", options=options),
        python=python,
        run=f"run-{uuid.uuid4().hex[:8]}",
    )


async def _seconds(work: Awaitable[object]) -> float:
    begun = time.monotonic()
    await work
    return time.monotonic() - begun


async def _print_sizes(bench: Bench) -> None:
    """Print the largest parts of both images; a file with several names counts once."""
    probe = (data_path("builders") / "probes" / "runtime.py").read_text().partition("\nif __name__")[0]
    with tempfile.NamedTemporaryFile("w", suffix=".py") as program:
        program.write(f"{probe}\nprint(json.dumps(sizes()))\n")
        program.flush()
        for name, python in (
            (bench.plan.runtime_name(bench.python), "/opt/venv/bin/python"),
            (bench.plan.builder_name(bench.python), "/opt/wheelyard/tools/bin/python"),
        ):
            image = await _expect(bench, name.current_tag)
            isolation = ["--rm", "--interactive", "--network", "none", "--user", "0:0", *bench.engine.ulimit_args]
            command = ["run", *isolation, image.id, python, "-I", "-"]
            parts = json.loads((await bench.engine.run(command, stdin=stream_file(Path(program.name)))).text)
            _print_parts(name.current_tag, image.size_bytes, parts)


def _print_parts(name: str, size: int, parts: dict[str, int]) -> None:
    print(f"{name}: {size / 1e6:.0f} MB")
    largest = sorted(parts.items(), key=lambda part: -part[1])
    rest = sum(part for _, part in largest[SHOWN_PARTS:])
    for part, part_size in [*largest[:SHOWN_PARTS], ("the rest", rest)]:
        print(f"  {part_size / 1e6:7.1f} MB  {100 * part_size / sum(parts.values()):5.1f} %  {part}")


async def _time_stages(bench: Bench, wanted: Sequence[str]) -> None:
    compiling, finishing = await _builds(bench)
    stages = [*((name, compiling) for name in COMPILING), *((name, finishing) for name in FINISHING)]
    while stages and stages[-1][0] not in wanted:
        stages.pop()
    if BOOTSTRAP in wanted:
        (await _time_bootstrap(bench)).print()
    try:
        for name, build in stages:
            if name in wanted:
                (await _time_stage(bench, build, name)).print()
            elif name != "python":
                await _build_stage(bench, build, name)
    finally:
        await bench.engine.run(["image", "rm", *(bench.tag(name) for name, _ in stages)], check=False)


async def _time_bootstrap(bench: Bench) -> Timing:
    """Bootstrap the base under a name of this run; it is found again by its name, like every image."""
    request = replace(bench.plan.base(), revision=bench.run)
    cold = await _seconds(make_base(bench.images.run, request))
    cached = await _seconds(find_image(bench.engine, request.name.tag))
    await bench.engine.run(["image", "rm", request.name.tag])
    return Timing(name=BOOTSTRAP, cold=cold, others={"cached": cached})


async def _time_stage(bench: Bench, build: ImageBuild, stage: str) -> Timing:
    cold = await _seconds(_build_stage(bench, build, stage))
    return Timing(name=stage, cold=cold, others={"cached": await _seconds(_build_stage(bench, build, stage))})


async def _build_stage(bench: Bench, build: ImageBuild, stage: str) -> None:
    staged = replace(
        build,
        tag=bench.tag(stage),
        target=stage,
        labels={"role": "benchmark", "definition": bench.run},
        dockerfile=re.sub(r"^(FROM .+)$", rf"\1\nLABEL benchmark={bench.run}", build.dockerfile, flags=re.MULTILINE),
    )
    await bench.images.run.build(staged)


async def _builds(bench: Bench) -> tuple[ImageBuild, ImageBuild]:
    """Return the build up to a compiled Python, and the one from there on, with their contexts."""
    plan, python = bench.plan, bench.python
    base = await _expect(bench, plan.base().name.tag)
    compiled = await _expect(bench, plan.python_name(python).tag)
    name = plan.pythons_name(python) if len(plan.pythons(python)) > 1 else plan.python_name(python)
    source = next(one for one in plan.python(python).source if one.version == compiled.labels["python-version"])
    apt = bench.options.apt_mirror or await read_apt_mirror(bench.engine, base.id) or ""
    archive = await bench.sources.fetch(
        source_file(name=source.file, version=source.version, sha256=source.sha256),
        mirrors=[mirror.replace(APT_MIRROR, apt.rstrip("/")) for mirror in source.mirrors],
    )
    parts = Parts(base=base, pythons=PythonImage(tag=name.tag, sources=()), wheels=await _tools(bench))
    return plan.python_build(python, base=base, source=source, archive=archive), plan.builder_build(python, parts)


async def _tools(bench: Bench) -> tuple[Path, ...]:
    policy = bench.plan.entry.policy_on(bench.options.architecture)
    platform = uv_platform(policy) or f"{policy.architecture}-{bench.plan.entry.policy}"
    target = ToolsTarget(python=bench.plan.catalogue.tools.python, platform=platform)
    return await bench.sources.fetch_tools(data_path("builders") / "tools.lock", target=target)


async def _time_applications(bench: Bench, index: str | None, sources: str | None) -> None:
    if index:
        (await _time_application(bench, "wheels", index)).print()
    (await _time_application(bench, "source", sources)).print()


async def _time_application(bench: Bench, way: str, index: str | None) -> Timing:
    """Build the example cold, again, with a changed file, and with a changed lock file."""
    lock = "wheels.lock" if way == "wheels" else "requirements.lock"
    with tempfile.TemporaryDirectory() as name:
        folder = shutil.copytree(EXAMPLE, Path(name, "example"))
        if way == "wheels":
            await _lock_to_index(bench, folder, str(index))
        try:
            cold = await _seconds(_build_application(bench, folder, way, index, "--no-cache"))
            others = {"cached": await _seconds(_build_application(bench, folder, way, index))}
            for how, file in (("file changed", "noticeboard.py"), ("lock changed", lock)):
                path = folder / file
                path.write_text(f"{path.read_text()}# changed\n")
                others[how] = await _seconds(_build_application(bench, folder, way, index))
        finally:
            await bench.engine.run(["image", "rm", bench.tag(way)], check=False)
    return Timing(name=way, cold=cold, others=others)


async def _lock_to_index(bench: Bench, folder: Path, index: str) -> None:
    platform = uv_platform(bench.plan.entry.policy_on(bench.options.architecture))
    completed = await run_program(
        [
            *(find_uv_bin(), "pip", "compile", "--quiet", "--generate-hashes", "--only-binary", ":all:"),
            *("--default-index", index, "--python-version", bench.python, "--python-platform", str(platform)),
            *(str(folder / "requirements.in"), "--output-file", str(folder / "wheels.lock")),
        ]
    )
    if completed.returncode:
        raise SystemExit(f"the index has not what the example needs: {completed.error_text}")


async def _build_application(bench: Bench, folder: Path, way: str, index: str | None, *options: str) -> None:
    build_args = {
        "BUILDER": bench.plan.builder_name(bench.python).current_tag,
        "RUNTIME": bench.plan.runtime_name(bench.python).current_tag,
        **({"PYTHON": bench.python} if way == "source" else {}),
        **({"UV_DEFAULT_INDEX": index} if index else {}),
    }
    pairs = (part for name, value in build_args.items() for part in ("--build-arg", f"{name}={value}"))
    options = ("--force-rm", "--network", "host", *bench.engine.ulimit_args, *options, *pairs)
    file = ("--file", str(folder / f"{way}.Dockerfile"))
    await bench.engine.run(["build", *options, *file, "--tag", bench.tag(way), str(folder)])


async def _expect(bench: Bench, tag: str) -> ImageRecord:
    image = await find_image(bench.engine, tag)
    if image is None:
        raise SystemExit(f"{tag} is not here any more, so its successors cannot be made; remove them and try again")
    return image


if __name__ == "__main__":
    main()
