"""Compare the isolation of builds: the time that each kind costs, on the same image and the same work.

    python -m benchmarks.sandbox [--runtime runsc ...] [--rounds 3] [--image wheelyard/builder-…]

Each round runs every piece of work once under each kind, in turn: the engine without a filter, its default filter, ours
with a user of its own (which builds have), and ours under each named runtime (the engine must know it). It prints
medians, and the median of the ratios to the default. DOCKER_HOST and WHEELYARD_ENGINE choose the engine.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from wheelyard.adapters.engine.command import PROJECT_LABEL, EngineCommand
from wheelyard.adapters.images.names import list_images
from wheelyard.assembly.parts import Parts
from wheelyard.domain.catalogue.package_managers import CONTAINER_USERS
from wheelyard.settings import load_settings

PYTHON = "/opt/wheelyard/tools/bin/python"
OPTIONS = "rw,exec,nosuid,nodev,mode=1777,size=512m"
SCRATCH = ("--tmpfs", f"/scratch:{OPTIONS}", "--tmpfs", f"/tmp:{OPTIONS}")  # noqa: S108  the container's own
COMPILE = r"""
cd /scratch
for n in $(seq 12); do
  printf '#include <%s>\n' stdio.h stdlib.h string.h math.h > f$n.c
  echo "double f$n(char *x) { return sin(atof(x)); }" >> f$n.c
  gcc -O2 -fPIC -c f$n.c
done
gcc -shared -o f.so f*.o -lm
"""
FILES = """
import os, shutil
for n in range(4000):
    os.makedirs(f"/scratch/{n % 50}", exist_ok=True)
    with open(f"/scratch/{n % 50}/{n}", "w") as file:
        file.write("x" * 500)
shutil.copytree("/scratch/0", "/scratch/copy")
print(sum(os.stat(os.path.join(folder, name)).st_size for folder, _, names in os.walk("/scratch") for name in names))
"""
WORK: Mapping[str, Sequence[str]] = {
    "an empty container": ("/bin/true",),
    "compile 12 C files": ("/bin/sh", "-c", COMPILE),
    "start 20 Pythons": ("/bin/sh", "-c", f"for n in $(seq 20); do {PYTHON} -c 'import json, email, asyncio'; done"),
    "4,000 small files": (PYTHON, "-c", FILES),
    "compute for itself": (PYTHON, "-c", "print(sum(n * n for n in range(6_000_000)))"),
}


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runtime", action="append", default=[])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--image", help="default: the newest builder that the engine has")
    asyncio.run(_measure(parser.parse_args()))


async def _measure(arguments: argparse.Namespace) -> None:
    engine = Parts(load_settings()).engine
    image = arguments.image or await _newest_builder(engine)
    kinds = _kinds(engine, arguments.runtime)
    print(f"{image[:60]}, {arguments.rounds} rounds, seconds (ratio to the engine's default)")
    print(f"{'':22}" + "".join(f"{name:>22}" for name in kinds))
    for name, command in WORK.items():
        rounds = [
            {kind: await _time(engine, options, image, command) for kind, options in kinds.items()}
            for _ in range(arguments.rounds)
        ]
        cells = (_describe([(one[kind], one["engine's default"]) for one in rounds]) for kind in kinds)
        print(f"{name:22}" + "".join(f"{cell:>22}" for cell in cells), flush=True)


def _kinds(engine: EngineCommand, runtimes: Sequence[str]) -> dict[str, tuple[str, ...]]:
    user = ("--user", f"{CONTAINER_USERS[0]}:{CONTAINER_USERS[0]}")
    open_engine = replace(engine, seccomp=Path("unconfined"))
    usual = ("--cap-drop", "ALL", "--security-opt", "no-new-privileges")
    return {
        "no filter": open_engine.confinement_args,
        "engine's default": usual,
        "ours": (*user, *engine.confinement_args),
        **{name: (*user, *engine.confinement_args, "--runtime", name) for name in runtimes},
    }


async def _newest_builder(engine: EngineCommand) -> str:
    images = [image for image in await list_images(engine) if image.role == "builder"]
    if not images:
        raise SystemExit("the engine has no builder: 'wheelyard builders build'")
    return max(images, key=lambda image: image.created).id


async def _time(engine: EngineCommand, options: Sequence[str], image: str, command: Sequence[str]) -> float:
    confined = ("--rm", "--network", "none", "--read-only", "--label", PROJECT_LABEL, *SCRATCH, *engine.ulimit_args)
    started = time.monotonic()
    await engine.run(["run", *confined, *options, "--entrypoint", command[0], image, *command[1:]])
    return time.monotonic() - started


def _describe(pairs: Sequence[tuple[float, float]]) -> str:
    seconds = statistics.median(one for one, _ in pairs)
    ratio = statistics.median(one / other for one, other in pairs)
    return f"{seconds:.2f} ({ratio:.2f})"


if __name__ == "__main__":
    main()
