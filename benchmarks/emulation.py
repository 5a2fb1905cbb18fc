"""What emulation costs: the same work in a Python, and the same projects, natively and emulated in turn.

    python -m benchmarks.emulation [PROJECT ...] [--no-projects] [--suite bookworm] [--python 3.13] [--rounds 1]

It needs qemu-user (docs/howto/aarch64.md). The images are made before, and a first build of each kind, which is not
counted, fills the caches. Each round builds each project natively, then emulated, without publishing;
a ratio is that of the medians. Without projects (--no-projects), only the processor time of the work in a Python is
compared, which other work on the machine does not change.
"""

import argparse
import asyncio
import json
import platform
import statistics
import sys
from collections import defaultdict
from collections.abc import Mapping

from wheelyard.adapters.engine.command import PROJECT_LABEL, EngineCommand
from wheelyard.adapters.host.emulation import check_emulator
from wheelyard.assembly.images import image_builder
from wheelyard.assembly.parts import Parts, recipe_registry
from wheelyard.assembly.trial import open_trial
from wheelyard.domain.builds.build import Build, Stage, Status
from wheelyard.settings import load_settings
from wheelyard.usecases.request_build import BuildRequest
from wheelyard.usecases.try_recipe import TryRecipe

PROJECTS = ("markupsafe", "pyyaml", "lxml", "rpds-py")
WORK = """
import hashlib, json, sys, time
source = open(json.__file__).read() * 20
work = {
    "compute": lambda: sum(n * n for n in range(2_000_000)),
    "read and write JSON": lambda: [json.loads(json.dumps({"a": list(range(50))})) for _ in range(4000)],
    "sha256 of 50 MB": lambda: hashlib.sha256(b"x" * 50_000_000).digest(),
    "compile Python": lambda: compile(source, "source", "exec"),
}
found = {}
for name, act in work.items():
    begin = time.process_time()
    act()
    found[name] = time.process_time() - begin
print(json.dumps(found))
"""
STAGES = (Stage.BUILD, Stage.REPAIR, Stage.VERIFY)
"""The stages whose programs are emulated."""


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("projects", nargs="*", default=PROJECTS)
    parser.add_argument("--architecture", default="aarch64")
    parser.add_argument("--suite", default="bookworm")
    parser.add_argument("--python", default="3.13")
    parser.add_argument("--no-projects", action="store_true")
    parser.add_argument("--rounds", type=int, default=1)
    asyncio.run(_measure(parser.parse_args()))


async def _measure(arguments: argparse.Namespace) -> None:
    check_emulator(arguments.architecture)
    parts = Parts(load_settings().model_copy(update={"worker_emulates": (arguments.architecture,)}))
    machines = (platform.machine(), arguments.architecture)
    entry = parts.catalogue.suite[arguments.suite]
    runtimes = list[str]()
    for machine in machines:
        images = image_builder(parts).on(machine)
        if not arguments.no_projects:
            await images.ensure_builder(arguments.suite, python=arguments.python)
        runtimes.append(await images.ensure_runtime(arguments.suite, arguments.python))
    await _compare_work(parts.engine, *runtimes, rounds=arguments.rounds)
    if arguments.no_projects:
        return
    print(f"{'seconds, and how many times as many emulated':46}" + "".join(f"{one.value:>18}" for one in (*STAGES,)))
    async with open_trial(parts, recipes=recipe_registry(parts), keep=None) as trial:
        for project in arguments.projects:
            taken: dict[str, list[Mapping[Stage, float]]] = defaultdict(list)
            for _ in range(arguments.rounds + 1):
                for machine in machines:
                    target = (arguments.python, str(entry.policy_on(machine)))
                    taken[machine].append(_seconds(await _build(trial, project, *target)))
            native, emulated = (_medians(taken[machine][1:]) for machine in machines)
            cells = (f"{native[one]:.1f} {emulated[one]:.1f} ({emulated[one] / native[one]:.1f}x)" for one in STAGES)
            print(f"{project:46}" + "".join(f"{cell:>18}" for cell in cells), flush=True)


async def _compare_work(engine: EngineCommand, native: str, emulated: str, *, rounds: int) -> None:
    """Print the processor time of each piece of work in both images, each round in turn."""
    found: list[list[dict[str, float]]] = [[], []]
    for _ in range(rounds):
        for image, times in zip((native, emulated), found, strict=True):
            command = ["run", "--rm", "--network", "none", "--label", PROJECT_LABEL, image, "python3", "-c", WORK]
            times.append(json.loads((await engine.run(command)).text))
    print(f"{'seconds of processor time, native and emulated':46}")
    for name in found[0][0]:
        one, other = (statistics.median(times[name] for times in both) for both in found)
        print(f"{name:46}{f'{one:.2f} {other:.2f} ({other / one:.1f}x)':>18}", flush=True)


async def _build(trial: TryRecipe, project: str, python: str, target_platform: str) -> Build:
    log = bytearray()
    request = BuildRequest(requirement=project, python=python, platform=target_platform, requested_by="benchmark")
    build = await trial(request, show=log.extend)
    if build.status is not Status.SUCCEEDED:
        sys.stderr.write(log.decode(errors="replace"))
        raise SystemExit(f"{project} on {target_platform} failed: {build.failure}")
    return build


def _seconds(build: Build) -> dict[Stage, float]:
    (attempt,) = build.attempts
    return {timing.stage: timing.seconds for timing in attempt.timings}


def _medians(rounds: list[Mapping[Stage, float]]) -> dict[Stage, float]:
    return {stage: statistics.median(one[stage] for one in rounds) for stage in STAGES}


if __name__ == "__main__":
    main()
