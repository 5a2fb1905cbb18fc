"""Build projects with a running service, build each wheel again with ``wheelyard rebuild``, and compare the bytes.

The rebuilds run one after the other on this host, whose engine should be the service's: with other builder images, the
table tells how many packages of theirs differ.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

PROJECTS: Final = (
    *("markupsafe", "pyyaml", "lxml", "psycopg2", "pillow", "cffi", "rpds-py", "apexpy", "shapely", "greenlet"),
    *("argon2-cffi-bindings", "msgpack"),
)
_BUILD_SECONDS: Final = 3600.0
_SHOWN: Final = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """What became of a project."""

    project: str
    result: str
    is_identical: bool = False
    build_seconds: float = 0.0
    """Of the stages of the attempt that succeeded, which also proved and published the wheel."""
    rebuild_seconds: float = 0.0
    differences: tuple[str, ...] = ()


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table; return 0 if every wheel has the same bytes again."""
    parser = argparse.ArgumentParser(prog="benchmarks.rebuild", description=__doc__)
    parser.add_argument("projects", nargs="*", default=PROJECTS, metavar="NAME[==VERSION]")
    parser.add_argument("--url", default=os.environ.get("WHEELYARD_URL"), help="the service; default: $WHEELYARD_URL")
    options = parser.parse_args(arguments)
    rows: list[Row] = []
    for project in options.projects:
        rows.append(_measure(project, ("--url", options.url) if options.url else ()))
        print(_line(rows[-1]), flush=True)
        for difference in rows[-1].differences:
            print(f"    {difference}", flush=True)
    same = sum(row.is_identical for row in rows)
    print(f"{same} of {len(rows)} have the same bytes")
    return 0 if same == len(rows) else 1


def _line(row: Row) -> str:
    ratio = f"{row.rebuild_seconds / row.build_seconds:.2f} x the build" if row.build_seconds else ""
    return f"{row.project:<24} {row.result:<26} {ratio}"


def _measure(project: str, address: Sequence[str]) -> Row:
    build = _call("build", project, "--wait", *address)
    if build.get("status") != "succeeded":
        return Row(project=project, result=f"build: {build.get('status') or build.get('code')}")
    begun = time.monotonic()
    rebuilt = _call("rebuild", build["wheel"]["filename"], *address)
    seconds = time.monotonic() - begun
    if "identical" not in rebuilt:
        return Row(project=project, result=f"rebuild: {rebuilt.get('code') or rebuilt.get('status')}")
    found = rebuilt["comparison"]["differences"]
    texts = tuple(f"{one['kind']}: {one['name']}: {one['text']}" for one in found[:_SHOWN])
    changes = len(rebuilt["changes"])
    return Row(
        project=project,
        result=("identical" if rebuilt["identical"] else f"{len(found)} differences")
        + (f", {changes} changes" if changes else ""),
        is_identical=rebuilt["identical"],
        build_seconds=sum(one["seconds"] for attempt in build["attempts"][-1:] for one in attempt["timings"]),
        rebuild_seconds=seconds,
        differences=() if rebuilt["identical"] else texts,
    )


def _call(*arguments: str) -> dict[str, Any]:
    """Return what a command prints as JSON; of one that prints none, its exit code."""
    command = [sys.executable, "-m", "wheelyard", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=_BUILD_SECONDS, text=True)
    try:
        found = json.loads(done.stdout or done.stderr.splitlines()[-1])
    except (ValueError, IndexError):
        return {"code": f"exit code {done.returncode}"}
    return found if isinstance(found, dict) else {"code": "no object"}


if __name__ == "__main__":
    sys.exit(main())
