"""What a container used of its limits, as far as anybody could tell. Must not judge whether that was too much."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Use:
    """The most that a container had; None for what its kernel does not count."""

    memory_bytes: int | None = None
    processes: int | None = None
    """Processes and threads at a time."""
    scratch_bytes: int | None = None
    """What was in use of the fuller of its two writable places when it ended."""
