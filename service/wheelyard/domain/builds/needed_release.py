"""Releases whose wheels a build waits for. Must not know how builds wait, nor what builds are."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class NeededRelease:
    """A release that must have a wheel before something else can be built or verified."""

    project: str
    version: str

    def __str__(self) -> str:
        return f"{self.project} {self.version}"


@dataclass(frozen=True, kw_only=True, slots=True)
class AwaitedBuild:
    """What a build waits for now."""

    release: NeededRelease
    build_id: str | None
    """The build that makes its wheel; None until it is ordered."""
