"""Ask auditwheel for its report on a wheel, as data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wheelyard_agent.job import TOOLS, JobError, output_of

# "auditwheel repair" takes --exclude and "auditwheel show" of 6.8 does not, so that it would find a wheel at fault for
# the very libraries that were left out on purpose (https://github.com/pypa/auditwheel/blob/6.8.2/src/auditwheel/main_show.py).
_SHOW = """
import sys
from auditwheel import wheel_abi
from auditwheel.main import main
analyze, excluded = wheel_abi.analyze_wheel_abi, frozenset(sys.argv.pop(1).split())
wheel_abi.analyze_wheel_abi = lambda libc, arch, wheel, _, **options: analyze(libc, arch, wheel, excluded, **options)
sys.exit(main())
"""


def audit_wheel(wheel: Path, *, exclude: Sequence[str], env: Mapping[str, str]) -> dict[str, Any]:
    """Give the report of ``auditwheel show --json``, blind for the libraries that a recipe excludes."""
    program = [str(TOOLS / "python"), "-I", "-c", _SHOW, " ".join(exclude)] if exclude else [str(TOOLS / "auditwheel")]
    text = output_of([*program, "show", "--json", str(wheel)], env=env)
    if text is None:
        raise JobError("repair-failed", reason="auditwheel could not audit it, see the log")
    facts = json.loads(text)
    if not isinstance(facts, dict):
        raise JobError("repair-failed", reason="auditwheel's report is not an object")
    return facts
