"""Ask auditwheel for its report on a wheel, as data."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from wheelyard_agent.job import TOOLS, JobError, output_of

_POLICY = re.compile(r"manylinux_(\d+)_(\d+)_(\w+)")
_ALIAS = re.compile(r"(manylinux1|manylinux2010|manylinux2014)_(\w+)")
_GLIBC = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}  # PEP 600

# auditwheel 6.8 with four changes that it has no options for, in the program that its command line runs
# (https://github.com/pypa/auditwheel/blob/6.8.2/src/auditwheel/wheel_abi.py):
# - "show" has no --exclude, so it would report the libraries that were excluded on purpose
#   (https://github.com/pypa/auditwheel/issues/422);
# - an extension module that only calls Python's functions may not link to a libc, and both commands then fail. It was
#   compiled here, so its libc is this image's (see https://github.com/pypa/auditwheel/pull/564). That of the tags is
#   not asked for, since a tag for musl beside one for no libc would have the wheel judged by musl's policies;
# - a library that its policies promise on every host is never grafted, so those that are wanted all the same are taken
#   from the policies (https://github.com/pypa/auditwheel/issues/598);
# - a file that pyelftools cannot read ends it, also debug information that nothing loads.
_PROGRAM = """
import sys
from dataclasses import replace
from fnmatch import fnmatchcase
from auditwheel import wheel_abi
from auditwheel.libc import Libc
from auditwheel.main import main
from auditwheel.policy import WheelPolicies
analyze, excluded = wheel_abi.analyze_wheel_abi, frozenset(sys.argv.pop(1).split())
make, grafted = WheelPolicies.__init__, sys.argv.pop(1).split()
read, ignored = wheel_abi.elf_file_filter, frozenset(sys.argv.pop(1).splitlines())
def make_without(policies, **options):
    make(policies, **options)
    policies._policies = [
        replace(one, whitelist=frozenset(name for name in one.whitelist if not is_grafted(name)))
        for one in policies._policies
    ]
def is_grafted(name):
    return any(fnmatchcase(name, pattern) for pattern in grafted)
WheelPolicies.__init__ = make_without
def analyze_here(libc, arch, wheel, exclude, *more, **options):
    return analyze(Libc.detect(), arch, wheel, exclude | excluded, *more, **options)
def read_others(paths):
    return read(path for path in paths if str(path) not in ignored)
wheel_abi.analyze_wheel_abi = analyze_here
wheel_abi.elf_file_filter = read_others
sys.exit(main())
"""


class GraftRules(NamedTuple):
    """Patterns of sonames that a recipe names."""

    exclude: Sequence[str] = ()
    """Libraries that are neither grafted nor counted against the policy."""
    graft: Sequence[str] = ()
    """Libraries that are grafted although the policies promise them on every host."""
    ignored: Sequence[str] = ()
    """Members that nothing loads and that pyelftools cannot read."""

    def wants(self, soname: str) -> bool:
        """Return whether a library is grafted even if the policies promise it."""
        return any(fnmatchcase(soname, pattern) for pattern in self.graft)


def auditwheel_command(*arguments: str, rules: GraftRules) -> list[str]:
    """Return the command for auditwheel with a recipe's rules."""
    program = [str(TOOLS / "python"), "-I", "-c", _PROGRAM]
    return [*program, " ".join(rules.exclude), " ".join(rules.graft), "\n".join(rules.ignored), *arguments]


def audit_wheel(wheel: Path, *, rules: GraftRules, env: Mapping[str, str]) -> dict[str, Any]:
    """Return the report of ``auditwheel show --json``."""
    text = output_of(auditwheel_command("show", "--json", str(wheel), rules=rules), env=env)
    if text is None:
        raise JobError("repair-failed", reason="auditwheel could not audit it, see the log")
    facts = json.loads(text)
    if not isinstance(facts, dict):
        raise JobError("repair-failed", reason="auditwheel's report is not an object")
    return facts


class Glibc(NamedTuple):
    """What a platform tag promises of its hosts."""

    version: tuple[int, int]
    architecture: str


def glibc_of(platform: str) -> Glibc | None:
    """Return the glibc and the architecture that a platform tag names; None for another kind of tag."""
    if match := _POLICY.fullmatch(platform):
        return Glibc((int(match[1]), int(match[2])), match[3])
    if match := _ALIAS.fullmatch(platform):
        return Glibc(_GLIBC[match[1]], match[2])
    return None


def newest_symbols(audit: Mapping[str, Any]) -> list[str]:
    """Return the newest version of each library that a wheel needs, such as ``GLIBC_2.34 of libc.so.6``."""
    return [f"{max(versions, key=_numbers)} of {name}" for name, versions in audit["versioned_symbols"].items()]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
