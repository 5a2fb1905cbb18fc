"""Compare the Python of a runtime image with another one, such as Debian's own, side by side in containers.

Runs benchmarks of pyperformance that need nothing but the standard library, with both Pythons in alternation, takes the
best time of each, and prints the ratios and their geometric mean. Below 1, the first image is faster.

    uv pip install --target FOLDER pyperformance pyperf
    mmdebstrap --variant=minbase --include=python3.13 trixie - | docker import - debian13-python
    python -m benchmarks.python FOLDER --image wheelyard/runtime-bookworm-3.13:… --against debian13-python
                                [--rounds 3] [--benchmark chaos ...]
"""

import argparse
import json
import statistics
import subprocess
from pathlib import Path
from typing import Any, Final

BENCHMARKS: Final = (
    "chaos", "comprehensions", "coroutines", "deepcopy", "deltablue", "float", "generators", "go", "hexiom",
    "json_dumps", "json_loads", "logging", "nbody", "nqueens", "pickle", "pyflate", "raytrace", "regex_compile",
    "richards", "scimark", "telco", "unpack_sequence", "xml_etree",
)  # fmt: skip
"""Interpreter, objects, calls, generators, text, pickles and numbers: what applications do without C of their own."""
_PARTS: Final = {"pickle": "pickle"}
"""What a program with several benchmarks is to run, if it must be told."""
_RUN: Final = """
cd /tmp
export PYTHONPATH=/bench
"$0" "/bench/pyperformance/data-files/benchmarks/bm_$1/run_benchmark.py" $2 \
    --processes 1 --values 3 --warmups 1 --quiet --output out.json > log.txt 2>&1 || { cat log.txt >&2; exit 1; }
cat out.json
"""


def main() -> None:
    """Run the chosen benchmarks and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="with pyperformance and pyperf")
    parser.add_argument("--image", required=True)
    parser.add_argument("--against", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--benchmark", action="append")
    arguments = parser.parse_args()
    ratios = []
    for name in arguments.benchmark or BENCHMARKS:
        best: dict[str, dict[str, float]] = {arguments.image: {}, arguments.against: {}}
        for _ in range(arguments.rounds):
            for image, times in best.items():
                for part, seconds in _run(image, arguments.folder, name).items():
                    times[part] = min(seconds, times.get(part, seconds))
        ours, theirs = best.values()
        # A benchmark with several parts counts once.
        ratio = statistics.geometric_mean([ours[part] / theirs[part] for part in ours])
        ratios.append(ratio)
        print(f"{name:20} {ratio:6.3f}   ({', '.join(sorted(ours))})", flush=True)
    print(f"{'geometric mean':20} {statistics.geometric_mean(ratios):6.3f}")


def _run(image: str, folder: Path, name: str) -> dict[str, float]:
    """Return the best time of each part of a benchmark, in seconds."""
    python = "/opt/venv/bin/python" if "wheelyard/" in image else "python3.13"
    isolation = ("--rm", "--network", "none", "--user", "0:0", "--ulimit", "nofile=16384")
    mounted = ("--volume", f"{folder.resolve()}:/bench:ro")
    command = ["docker", "run", *isolation, *mounted, image, "sh", "-euc", _RUN, python, name, _PARTS.get(name, "")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise SystemExit(f"{name} fails in {image}: {ended.stderr[-2000:]}")
    return {_name(one, name): _best(one) for one in json.loads(ended.stdout)["benchmarks"]}


def _name(part: dict[str, Any], default: str) -> str:
    return str((part.get("metadata") or {}).get("name", default))


def _best(part: dict[str, Any]) -> float:
    return min(float(value) for run in part["runs"] for value in run.get("values", ()))


if __name__ == "__main__":
    main()
