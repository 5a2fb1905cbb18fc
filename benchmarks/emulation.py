"""What emulation costs: the same projects, built natively and emulated in turn, and the ratio of each stage's time.

    python -m benchmarks.emulation [PROJECT ...] [--suite bookworm] [--python 3.13] [--rounds 1]

It needs qemu-user (docs/howto/aarch64.md). The images are made before, and a first build of each kind, which is not
counted, fills the caches. Each round builds each project natively, then emulated, without publishing;
a ratio is that of the medians.
"""

import argparse
import asyncio
import platform
import statistics
import sys
from collections import defaultdict
from collections.abc import Mapping

from wheelyard.adapters.host.emulation import check_emulator
from wheelyard.assembly.images import image_builder
from wheelyard.assembly.parts import Parts, recipe_registry
from wheelyard.assembly.trial import open_trial
from wheelyard.domain.builds.build import Build, Stage, Status
from wheelyard.settings import load_settings
from wheelyard.usecases.request_build import BuildRequest
from wheelyard.usecases.try_recipe import TryRecipe

PROJECTS = ("markupsafe", "pyyaml", "lxml", "rpds-py")
STAGES = (Stage.BUILD, Stage.REPAIR, Stage.VERIFY)
"""The stages whose programs are emulated."""


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("projects", nargs="*", default=PROJECTS)
    parser.add_argument("--architecture", default="aarch64")
    parser.add_argument("--suite", default="bookworm")
    parser.add_argument("--python", default="3.13")
    parser.add_argument("--rounds", type=int, default=1)
    asyncio.run(_measure(parser.parse_args()))


async def _measure(arguments: argparse.Namespace) -> None:
    check_emulator(arguments.architecture)
    parts = Parts(load_settings().model_copy(update={"worker_emulates": (arguments.architecture,)}))
    machines = (platform.machine(), arguments.architecture)
    entry = parts.catalogue.suite[arguments.suite]
    for machine in machines:
        images = image_builder(parts).on(machine)
        await images.ensure_builder(arguments.suite, python=arguments.python)
        await images.ensure_runtime(arguments.suite, arguments.python)
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
