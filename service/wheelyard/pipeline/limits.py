"""What a build may use: what its recipe asks for, up to the operator's ceiling; else the operator's default."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from wheelyard.domain.builds.build import Stage
from wheelyard.domain.recipes.effective import EffectiveRecipe
from wheelyard.errors import (
    BuildTimeoutError,
    DiskLimitError,
    OpenFilesLimitError,
    OutOfMemoryError,
    ProcessLimitError,
    ProjectError,
    Use,
)
from wheelyard.interfaces import Limits

N = TypeVar("N", int, float)
_UNKNOWN: Final = Use()


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitRules:
    """The operator's limits for builds."""

    default: Limits
    """For builds whose recipe sets no limits."""
    ceiling: Limits
    """The highest limits that a recipe may set."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GrantedLimits:
    """The limits of one build's containers; errors name where a limit can be raised."""

    limits: Limits
    ceiling: Limits

    def out_of_memory(self, stage: Stage, use: Use = _UNKNOWN) -> OutOfMemoryError:
        """Return the error of a stage that was killed for want of memory."""
        limit, most = self.limits.memory_bytes, self.ceiling.memory_bytes
        return OutOfMemoryError(
            stage=stage.value, limit_bytes=limit, reached_bytes=use.memory_bytes, at_ceiling=limit >= most
        )

    def timed_out(self, stage: Stage, elapsed_seconds: float | None = None) -> BuildTimeoutError:
        """Return the error of a stage that took too long."""
        limit, most = self.limits.time_seconds, self.ceiling.time_seconds
        return BuildTimeoutError(
            stage=stage.value, limit_seconds=limit, reached_seconds=elapsed_seconds, at_ceiling=limit >= most
        )

    def disk_full(self, stage: Stage, use: Use = _UNKNOWN) -> DiskLimitError:
        """Return the error of a stage that filled its writable space."""
        limit, most = self.limits.scratch_bytes, self.ceiling.scratch_bytes
        return DiskLimitError(
            stage=stage.value, limit_bytes=limit, reached_bytes=use.scratch_bytes, at_ceiling=limit >= most
        )

    def reached(self, code: str, stage: Stage, use: Use = _UNKNOWN) -> ProjectError | None:
        """Return the error of a limit that a stage reached, by the error's code; None if no limit has that code."""
        match code:
            case OutOfMemoryError.code:
                return self.out_of_memory(stage, use)
            case DiskLimitError.code:
                return self.disk_full(stage, use)
            case ProcessLimitError.code:
                return ProcessLimitError(stage=stage.value, limit=self.limits.processes, reached=use.processes)
            case OpenFilesLimitError.code:
                return OpenFilesLimitError(stage=stage.value, limit=self.limits.open_files)
            case _:
                return None


def grant_limits(recipe: EffectiveRecipe, rules: LimitRules, *, times: float = 1.0) -> GrantedLimits:
    """Return the limits of a build with a recipe; ``times`` multiplies those of time, for a build that is emulated."""
    default, ceiling = rules.default, rules.ceiling
    limits = replace(
        default,
        memory_bytes=_granted(recipe.memory_bytes, default.memory_bytes, ceiling.memory_bytes),
        cpus=_granted(recipe.cpus, default.cpus, ceiling.cpus),
        time_seconds=_granted(recipe.time_seconds, default.time_seconds, ceiling.time_seconds),
        scratch_bytes=_granted(recipe.scratch_bytes, default.scratch_bytes, ceiling.scratch_bytes),
    )
    longer = replace(limits, time_seconds=int(limits.time_seconds * times))
    return GrantedLimits(limits=longer, ceiling=replace(ceiling, time_seconds=int(ceiling.time_seconds * times)))


def grant_log_bytes(recipe: EffectiveRecipe, *, default: int, ceiling: int) -> int:
    """Return the size at which a build's log is cut."""
    return _granted(recipe.log_bytes, default, ceiling)


def unmet_requests(recipe: EffectiveRecipe, ceiling: Limits) -> Iterator[str]:
    """Yield a sentence for each limit where a recipe asks for more than the operator allows."""
    requested = (
        ("limits.memory", recipe.memory_bytes, ceiling.memory_bytes, "WHEELYARD_WORKER_MEMORY_BYTES"),
        ("limits.cpu", recipe.cpus, ceiling.cpus, "WHEELYARD_WORKER_CPUS"),
        ("limits.time", recipe.time_seconds, ceiling.time_seconds, "WHEELYARD_CEILING_TIME_SECONDS"),
        ("limits.disk", recipe.scratch_bytes, ceiling.scratch_bytes, "WHEELYARD_WORKER_MEMORY_BYTES"),
    )
    for key, wanted, most, setting in requested:
        if wanted is not None and wanted > most:
            yield f"the recipe asks for {key} = {wanted:.12g}, and gets the {most:.12g} that {setting} allows"


def _granted(wanted: N | None, default: N, ceiling: N) -> N:
    return default if wanted is None else min(wanted, ceiling)
