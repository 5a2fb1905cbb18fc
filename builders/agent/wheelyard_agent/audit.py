"""Ask auditwheel for its report on a wheel, as data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wheelyard_agent.job import TOOLS, JobError, output_of

# auditwheel 6.8 with two changes that it has no options for, in the program that its command line runs
# (https://github.com/pypa/auditwheel/blob/6.8.2/src/auditwheel/wheel_abi.py):
# - "show" has no --exclude, so it would report the libraries that were excluded on purpose
#   (https://github.com/pypa/auditwheel/issues/422);
# - an extension module that only calls Python's functions may not link to a libc, and both commands then fail. It was
#   compiled here, so its libc is this image's (see https://github.com/pypa/auditwheel/pull/564).
_PROGRAM = """
import sys
from auditwheel import wheel_abi
from auditwheel.libc import Libc
from auditwheel.main import main
analyze, excluded = wheel_abi.analyze_wheel_abi, frozenset(sys.argv.pop(1).split())
def analyze_here(libc, arch, wheel, exclude, *more, **options):
    return analyze(libc or Libc.detect(), arch, wheel, exclude | excluded, *more, **options)
wheel_abi.analyze_wheel_abi = analyze_here
sys.exit(main())
"""


def auditwheel_command(*arguments: str, exclude: Sequence[str]) -> list[str]:
    """Return the command for auditwheel, without the libraries that a recipe excludes."""
    return [str(TOOLS / "python"), "-I", "-c", _PROGRAM, " ".join(exclude), *arguments]


def audit_wheel(wheel: Path, *, exclude: Sequence[str], env: Mapping[str, str]) -> dict[str, Any]:
    """Return the report of ``auditwheel show --json``."""
    text = output_of(auditwheel_command("show", "--json", str(wheel), exclude=exclude), env=env)
    if text is None:
        raise JobError("repair-failed", reason="auditwheel could not audit it, see the log")
    facts = json.loads(text)
    if not isinstance(facts, dict):
        raise JobError("repair-failed", reason="auditwheel's report is not an object")
    return facts
