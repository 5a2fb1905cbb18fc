"""The target of a wheel: a Python, a platform policy and an architecture."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

from packaging.tags import Tag, compatible_tags, cpython_tags

_PYTHON: Final = re.compile(r"3\.(?:[1-9][0-9]?)t?")
_FREE_THREADED: Final = "t"
"""What ends the name of a free-threaded Python, as in its own file names and tags (PEP 703)."""
_FIRST_FREE_THREADED: Final = (3, 13)
_POLICY: Final = re.compile(
    r"manylinux_(?P<major>[0-9]{1,9})_(?P<minor>[0-9]{1,9})_(?P<architecture>[a-z0-9_]{1,32})", re.ASCII
)
_MAJOR: Final = 2
NEWEST_MINOR: Final = 99
"""The newest glibc that a policy may name: 2.99. glibc has two releases a year; 2.43 is of 2026."""
_SHOWN: Final = 80
# PEP 600 defines these older names as aliases of glibc versions.
_ALIASES: Final = {(2, 5): "manylinux1", (2, 12): "manylinux2010", (2, 17): "manylinux2014"}
# The oldest glibc with manylinux tags: PEP 513 for the first architectures, PEP 599 for the others.
_OLDEST_MINOR: Final = {"x86_64": 5, "i686": 5}
_OLDEST_MINOR_ELSEWHERE: Final = 17
# The glibc 2.x platforms that uv 0.13 knows for --python-platform; there is one architecture in front of each.
UV_ARCHITECTURES: Final = ("x86_64", "aarch64")
UV_GLIBC_MINORS: Final = (17, 28, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40)


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Policy:
    """A manylinux policy: the glibc that a wheel may need, on one architecture (PEP 600)."""

    glibc: tuple[int, int]
    architecture: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a platform tag such as ``manylinux_2_36_x86_64``; raise ValueError for anything else."""
        policy = cls.stored(text)
        if policy.glibc[0] != _MAJOR or policy.glibc[1] > NEWEST_MINOR:
            raise ValueError(f"there is no glibc {policy.glibc[0]}.{policy.glibc[1]}, which {text!r} asks for")
        return policy

    @classmethod
    def stored(cls, text: str) -> Self:
        """Parse a stored platform tag, which an older release may have accepted; raise ValueError."""
        match = _POLICY.fullmatch(text)
        if match is None:
            raise ValueError(f"{text[:_SHOWN]!r} is not of the form manylinux_2_36_x86_64")
        glibc = (int(match["major"]), int(match["minor"]))
        return cls(glibc=glibc, architecture=match["architecture"])

    @classmethod
    def of_tag(cls, platform: str) -> Self | None:
        """Return the policy that a platform tag names, also by an older alias; None for any other tag."""
        alias, _, architecture = platform.partition("_")
        glibc = next((glibc for glibc, name in _ALIASES.items() if name == alias), None)
        try:
            return cls.parse(platform) if glibc is None else cls(glibc=glibc, architecture=architecture)
        except ValueError:
            return None

    def __str__(self) -> str:
        return f"manylinux_{self.glibc[0]}_{self.glibc[1]}_{self.architecture}"

    def serves(self, other: "Policy") -> bool:
        """Return whether a wheel that complies with this policy runs on a target of ``other``."""
        return self.architecture == other.architecture and self.glibc <= other.glibc

    def platform_tags(self) -> Iterator[str]:
        """Yield the platform tags that a machine of this policy accepts, best first.

        In the order of ``packaging.tags.sys_tags()``, which puts the machine's own ``linux`` tag first since 26.3.
        """
        major, newest = self.glibc
        oldest = _OLDEST_MINOR.get(self.architecture, _OLDEST_MINOR_ELSEWHERE)
        yield f"linux_{self.architecture}"
        for minor in range(min(newest, NEWEST_MINOR), oldest - 1, -1):
            yield f"manylinux_{major}_{minor}_{self.architecture}"
            if alias := _ALIASES.get((major, minor)):
                yield f"{alias}_{self.architecture}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A CPython version on a platform."""

    python: str
    """Major and minor version, such as ``3.13``; ``3.13t`` is the free-threaded build of the same (PEP 703)."""
    policy: Policy

    @classmethod
    def parse(cls, *, python: str, platform: str) -> Self:
        """Parse both parts; raise ValueError if either is malformed."""
        return cls(python=_checked_python(python), policy=Policy.parse(platform))

    @classmethod
    def stored(cls, *, python: str, platform: str) -> Self:
        """Parse both stored parts, which an older release may have accepted; raise ValueError."""
        return cls(python=_checked_python(python), policy=Policy.stored(platform))

    @property
    def version_info(self) -> tuple[int, int]:
        """Return the Python version as numbers."""
        return python_order(self.python)[:2]

    @property
    def is_free_threaded(self) -> bool:
        """Return whether its Python can run without the global interpreter lock."""
        return is_free_threaded(self.python)

    @property
    def platform(self) -> str:
        """Return the platform tag."""
        return str(self.policy)

    def tags(self) -> tuple[Tag, ...]:
        """Return every tag that this target accepts, best first (PEP 425)."""
        platforms = list(self.policy.platform_tags())
        interpreter = f"cp{self.version_info[0]}{self.version_info[1]}"
        # Without ABIs, packaging uses the running interpreter's, which may be a debug or free-threaded build.
        abi = f"{interpreter}{_FREE_THREADED}" if self.is_free_threaded else interpreter
        native = cpython_tags(self.version_info, abis=[abi], platforms=platforms)
        return (*native, *compatible_tags(self.version_info, interpreter, platforms))

    def marker_environment(self, *, micro: int = 0) -> dict[str, str]:
        """Return the values of environment markers on this target (PEP 508), for one micro release of its Python."""
        version = python_version(self.python)
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{version}.{micro}",
            "os_name": "posix",
            "platform_machine": self.policy.architecture,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{version}.{micro}",
            "python_version": version,
            "sys_platform": "linux",
        }

    def __str__(self) -> str:
        return f"Python {self.python} on {self.policy}"


def _checked_python(text: str) -> str:
    if _PYTHON.fullmatch(text) is None:
        raise ValueError(f"{text[:_SHOWN]!r} is not a Python version of the form 3.13 or 3.13t")
    if is_free_threaded(text) and python_order(text)[:2] < _FIRST_FREE_THREADED:
        raise ValueError(f"there is no Python {text}: the first free-threaded one is 3.13t")
    return text


def is_free_threaded(python: str) -> bool:
    """Return whether a Python's name is that of a free-threaded build, such as ``3.13t``."""
    return python.endswith(_FREE_THREADED)


def python_version(python: str) -> str:
    """Return the version of the language that a Python runs: ``3.13`` for ``3.13`` and for ``3.13t``."""
    return python.removesuffix(_FREE_THREADED)


def python_order(python: str) -> tuple[int, int, bool]:
    """Return a sort key for the names of Pythons: by version, a free-threaded build after the other one."""
    major, minor = python_version(python).split(".")
    return int(major), int(minor), is_free_threaded(python)


def uv_platform(policy: Policy) -> str | None:
    """Name the newest platform that uv knows whose wheels all run where the policy's do, if there is one."""
    major, minor = policy.glibc
    fitting = [known for known in UV_GLIBC_MINORS if known <= minor]
    if policy.architecture not in UV_ARCHITECTURES or major != _MAJOR or not fitting:
        return None
    return f"{policy.architecture}-manylinux_2_{fitting[-1]}"
