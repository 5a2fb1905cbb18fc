"""Decide whether a wheel has lost extension modules that its sdist was going to give it.

Silent degradation is a failure: many projects leave an extension out without an error when its library is missing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

_MAX_WARNED: Final = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class ExtensionSource:
    """Evidence, read from an sdist before any of its code ran, that it holds an extension module."""

    name: str | None
    """Its importable name, None if that cannot be told without running the project's code."""
    where: str
    """The file of the sdist that says so."""
    certain: bool
    """True if it is made on this target unless something goes wrong; otherwise it is a hint."""
    required: bool
    """True if it is named and certain, and nothing says that it may fail."""

    @property
    def label(self) -> str:
        """Name it as people know it."""
        return self.name or f"one that {self.where} makes"


@dataclass(frozen=True, kw_only=True, slots=True)
class NativeContent:
    """What is native in a wheel."""

    extensions: tuple[str, ...]
    """Importable names of its extension modules."""
    files: tuple[str, ...]
    """File names of all its ELF files as they were built."""

    def has(self, name: str) -> bool:
        """Tell whether a module is there, possibly in another package than its source says.

        A source may leave the package to ``ext_package`` or to its folder, and a library for ctypes has no entry point
        that would make it a module, so the last part of the name decides.
        """
        last = name.rpartition(".")[2]
        return any(one.rpartition(".")[2] == last for one in self.extensions) or any(
            file.partition(".")[0] == last for file in self.files
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Degradation:
    """How a wheel falls short of its sdist."""

    missing: tuple[str, ...] = ()
    """What it must have and has not."""
    warnings: tuple[str, ...] = ()
    """What its user should know."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Expectation:
    """What a recipe says about a wheel's extension modules."""

    present: tuple[str, ...] = ()
    """Modules that must be there, exactly."""
    absent: tuple[str, ...] = ()
    """Modules that may be missing, though the sdist has their sources."""
    may_be_pure: bool = False
    """True if the wheel may be without any."""


def find_degradation(
    sources: Sequence[ExtensionSource], native: NativeContent, expectation: Expectation
) -> Degradation:
    """Compare a wheel with its sdist and with its recipe.

    The recipe adds to what the sdist promises by the modules that it names, and takes away from it only what it names
    as absent, or all of it where it says that pure is right.
    """
    lost = tuple(name for name in expectation.present if name not in native.extensions)
    if lost:
        return Degradation(missing=lost)
    if expectation.may_be_pure:
        return Degradation()
    promised = [one for one in sources if one.name not in expectation.absent]
    if not native.files:
        return _of_pure_wheel(promised)
    absent = [one for one in promised if one.certain and one.name and not native.has(one.name)]
    missing = _labels(one for one in absent if one.required)
    possible = [label for label in _labels(absent) if label not in missing]
    return Degradation(missing=missing, warnings=_warn("It has no", possible))


def _of_pure_wheel(sources: Sequence[ExtensionSource]) -> Degradation:
    """Judge a wheel without anything native: certain sources that it lost are named where they have names."""
    certain = [one for one in sources if one.certain]
    if certain:
        return Degradation(missing=_labels([one for one in certain if one.name] or certain))
    hints = _labels(sources)
    return Degradation(warnings=_warn("It is pure, though its sdist may hold extension modules:", hints))


def _labels(sources: Iterable[ExtensionSource]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.label for one in sources))


def _warn(what: str, labels: Sequence[str]) -> tuple[str, ...]:
    if not labels:
        return ()
    more = f" and {len(labels) - _MAX_WARNED} more" if len(labels) > _MAX_WARNED else ""
    return (f"{what} {', '.join(labels[:_MAX_WARNED])}{more}.",)
