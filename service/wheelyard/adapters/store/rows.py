"""Convert domain values to database rows and back."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, TypeVar

from psycopg.types.json import Jsonb
from pydantic import TypeAdapter

from wheelyard.domain.access import Scope
from wheelyard.domain.builds.build import (
    Attempt,
    AwaitedBuild,
    Build,
    BuildOrder,
    BuildSummary,
    Failure,
    MissingRelease,
    SdistSource,
    Stage,
    StageTiming,
    Status,
    Wheel,
)
from wheelyard.domain.builds.queue import Priority
from wheelyard.domain.builds.records import Token
from wheelyard.domain.healing.healing import Healing
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.recipes.effective import EffectiveRecipe
from wheelyard.domain.trace import Trace
from wheelyard.errors import RecordUnreadableError, WheelyardError
from wheelyard.logs import get_logger

Row = dict[str, Any]

_log = get_logger(__name__)
T = TypeVar("T")
_MAX_REASON: Final = 300
_FAILURE: Final = TypeAdapter(Failure)
_HEALING: Final = TypeAdapter(Healing)
_RECIPE: Final = TypeAdapter(EffectiveRecipe)
_SDIST: Final = TypeAdapter(SdistSource)
_TIMINGS: Final = TypeAdapter(tuple[StageTiming, ...])
_WHEEL: Final = TypeAdapter(Wheel)


def failure_json(failure: Failure | None) -> Jsonb | None:
    """Return a failure as the database stores it."""
    return None if failure is None else Jsonb(_FAILURE.dump_python(failure, mode="json"))


def healing_json(healing: Healing | None) -> Jsonb | None:
    """Return how an attempt healed itself as the database stores it."""
    return None if healing is None else Jsonb(_HEALING.dump_python(healing, mode="json"))


def wheel_json(wheel: Wheel | None) -> Jsonb | None:
    """Return a wheel as the database stores it."""
    return None if wheel is None else Jsonb(_WHEEL.dump_python(wheel, mode="json"))


def timings_json(timings: tuple[StageTiming, ...]) -> Jsonb:
    """Return an attempt's timings as the database stores them."""
    return Jsonb(_TIMINGS.dump_python(timings, mode="json"))


def order_columns(order: BuildOrder) -> Row:
    """Return an order as the columns of a build's row."""
    return {
        "key": order.key,
        "requirement": order.requirement,
        "project": order.project,
        "version": order.version,
        "sdist": Jsonb(_SDIST.dump_python(order.sdist, mode="json")),
        "python": order.target.python,
        "platform": order.target.platform,
        "builder": order.builder,
        "recipe_digest": order.recipe_digest,
        "recipe": Jsonb(_RECIPE.dump_python(order.recipe, mode="json")),
        "need_cpus": order.resource_request.cpus,
        "need_memory_bytes": order.resource_request.memory_bytes,
    }


def order_of(row: Row) -> BuildOrder:
    """Return the order in a build's row."""
    return BuildOrder(
        key=row["key"],
        requirement=row["requirement"],
        project=row["project"],
        version=row["version"],
        sdist=_SDIST.validate_python(row["sdist"]),
        target=Target.stored(python=row["python"], platform=row["platform"]),
        builder=row["builder"],
        recipe_digest=row["recipe_digest"],
        recipe=_RECIPE.validate_python(row["recipe"]),
    )


@contextlib.contextmanager
def reading(kind: str, name: object) -> Iterator[None]:
    """Raise RecordUnreadableError with this name if the rows that are read in the block hold invalid values."""
    try:
        yield
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError, WheelyardError) as error:
        reason = " ".join(str(error).split())[:_MAX_REASON] or type(error).__name__
        raise RecordUnreadableError(kind=kind, name=str(name), reason=reason) from error


def readable(kind: str, rows: Iterable[Row], read: Callable[[Row], T]) -> tuple[T, ...]:
    """Return the values of a list's rows. Log and leave out a row that cannot be read."""
    found: list[T] = []
    for row in rows:
        try:
            with reading(kind, row["id"]):
                found.append(read(row))
        except RecordUnreadableError as error:
            _log.warning("record-unreadable", kind=kind, name=error.name, reason=error.reason)
    return tuple(found)


def trace_of(row: Row) -> Trace:
    """Return the request that a row came from."""
    return Trace(request_id=row["request_id"], trace_id=row["trace_id"])


def build_of(row: Row, attempts: Sequence[Row], waits: Sequence[Row]) -> Build:
    """Return a build from its row, its attempts' rows, and the rows of its dependencies."""
    return Build(
        id=str(row["id"]),
        order=order_of(row),
        status=Status(row["status"]),
        stage=_stage_of(row),
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        cancel_requested=row["cancel_requested"],
        attempts=tuple(attempt_of(attempt) for attempt in attempts),
        failure=failure_of(row),
        wheel=built_wheel_of(row),
        priority=list(Priority)[row["priority"]],
        not_before=row["not_before"],
        waits_for=tuple(map(_awaited_of, waits)),
    )


def attempt_of(row: Row) -> Attempt:
    """Return the attempt in a row."""
    return Attempt(
        number=row["number"],
        worker=row["worker"],
        status=Status(row["status"]),
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        timings=_TIMINGS.validate_python(row["timings"]),
        failure=failure_of(row),
        log_size_bytes=row["log_size"],
        log_truncated=row["log_truncated"],
        healing=healing_of(row),
    )


def summary_of(row: Row) -> BuildSummary:
    """Return a build's summary from its row."""
    return BuildSummary(
        id=str(row["id"]),
        project=row["project"],
        version=row["version"],
        target=Target.stored(python=row["python"], platform=row["platform"]),
        status=Status(row["status"]),
        stage=_stage_of(row),
        created_at=row["created_at"],
        finished_at=row["finished_at"],
        wheel_filename=row["wheel"]["filename"] if row["wheel"] else None,
        failure=failure_of(row),
        priority=list(Priority)[row["priority"]],
        not_before=row["not_before"],
        waits=row["waiting"],
    )


def token_of(row: Row) -> Token:
    """Return the token in a row."""
    return Token(
        id=str(row["id"]),
        name=row["name"],
        scope=Scope(row["scope"]),
        publishes=tuple(row["publishes"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        last_used_at=row["last_used_at"],
    )


def failure_of(row: Row) -> Failure | None:
    """Return the failure in a row; None if there is none."""
    return None if row["failure"] is None else _FAILURE.validate_python(row["failure"])


def built_wheel_of(row: Row) -> Wheel | None:
    """Return the wheel in a build's row; None if there is none."""
    return None if row["wheel"] is None else _WHEEL.validate_python(row["wheel"])


def healing_of(row: Row) -> Healing | None:
    """Return how the attempt in a row healed itself; None if it did not."""
    return None if row["healing"] is None else _HEALING.validate_python(row["healing"])


def _awaited_of(row: Row) -> AwaitedBuild:
    release = MissingRelease(project=row["project"], version=row["version"])
    return AwaitedBuild(release=release, build_id=None if row["for_build_id"] is None else str(row["for_build_id"]))


def _stage_of(row: Row) -> Stage | None:
    return None if row["stage"] is None else Stage(row["stage"])
