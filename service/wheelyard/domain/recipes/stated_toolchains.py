"""Which toolchains an sdist itself says that its build needs, so that no recipe has to. Must not do I/O.

Only what cannot be meant otherwise counts: a build requirement that compiles Rust. Sources in Fortran or Java may be
left aside by a build that wants neither.
"""

from collections.abc import Collection
from typing import Final

from packaging.utils import canonicalize_name

from wheelyard.domain.untrusted.requirements import read_requirement
from wheelyard.domain.untrusted.toml_text import read_toml

_COMPILE_RUST: Final = frozenset({"maturin", "setuptools-rust"})


def find_rust_builder(pyproject: bytes, dropped: Collection[str] = ()) -> str | None:
    """Name the build requirement that compiles Rust; None if there is none, or if it cannot be read.

    Args:
        pyproject: A stranger's ``pyproject.toml``, of which ``build-system.requires`` is read (PEP 518).
        dropped: Requirements that the recipe leaves out.
    """
    try:
        requires = read_toml(pyproject.decode())["build-system"]["requires"]
        names = {canonicalize_name(read_requirement(text).name) for text in requires}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return min((names & _COMPILE_RUST).difference(map(canonicalize_name, dropped)), default=None)
