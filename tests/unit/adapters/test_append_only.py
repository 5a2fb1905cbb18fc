"""A name that has stood for other bytes is refused before devpi is asked."""

import hashlib
from pathlib import Path

import pytest
from tests.contract.samples import sample_order
from tests.fakes.builds import MemoryAttempts
from tests.unit.pipeline_harness import PURE_TAGGED, make_wheel
from tests.unit.wheel_harness import WheelHarness

from wheelyard.adapters.devpi.append_only import RetainedIndex
from wheelyard.domain.builds.build import Failure, Status
from wheelyard.domain.builds.queue import Priority
from wheelyard.domain.builds.records import Claim, Outcome
from wheelyard.errors import IndexConflictError, WorkerLostError


def retained(harness: WheelHarness) -> RetainedIndex:
    return RetainedIndex(harness.prod, wheels=harness.wheels, remove=harness.prod.remove)


async def uploaded_by(harness: WheelHarness, content: bytes) -> Claim:
    """Let an attempt upload, and die before it says so; it still holds its build."""
    build = harness.state.add(sample_order(), requested_by="tests", priority=Priority.INTERACTIVE)
    claim = await MemoryAttempts(harness.state).claim(build.id, worker="worker-1", lease_seconds=1)
    assert claim is not None
    digest = hashlib.sha256(content).hexdigest()
    assert await harness.wheels.begin_upload(claim, filename=PURE_TAGGED, sha256=digest)
    harness.hold(PURE_TAGGED, content)
    return claim


async def lose(harness: WheelHarness, claim: Claim) -> None:
    failure = Failure.of(WorkerLostError(worker=claim.worker), stage=None)
    assert await MemoryAttempts(harness.state).finish(claim, Outcome(status=Status.QUEUED, failure=failure))


async def test_upload_that_a_dead_attempt_left_makes_way(tmp_path: Path) -> None:
    harness, wheel = WheelHarness(), tmp_path / PURE_TAGGED
    wheel.write_bytes(make_wheel(PURE_TAGGED))
    await lose(harness, await uploaded_by(harness, make_wheel(PURE_TAGGED, requires=["idna"])))
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert (await retained(harness).publish(wheel, sha256=digest)).sha256 == digest
    assert list(harness.prod.files.values()) == [wheel.read_bytes()]


async def test_upload_of_an_attempt_that_goes_on_stays(tmp_path: Path) -> None:
    harness, wheel = WheelHarness(), tmp_path / PURE_TAGGED
    wheel.write_bytes(make_wheel(PURE_TAGGED))
    held = make_wheel(PURE_TAGGED, requires=["idna"])
    await uploaded_by(harness, held)
    with pytest.raises(IndexConflictError):
        await retained(harness).publish(wheel, sha256=hashlib.sha256(wheel.read_bytes()).hexdigest())
    assert list(harness.prod.files.values()) == [held]


async def test_file_that_somebody_else_put_there_stays(tmp_path: Path) -> None:
    harness, wheel = WheelHarness(), tmp_path / PURE_TAGGED
    wheel.write_bytes(make_wheel(PURE_TAGGED))
    held = make_wheel(PURE_TAGGED, requires=["idna"])
    harness.hold(PURE_TAGGED, held)
    with pytest.raises(IndexConflictError):
        await retained(harness).publish(wheel, sha256=hashlib.sha256(wheel.read_bytes()).hexdigest())
    assert list(harness.prod.files.values()) == [held]


async def test_who_may_not_upload_any_more_removes_nothing_either(tmp_path: Path) -> None:
    harness, wheel = WheelHarness(), tmp_path / PURE_TAGGED
    wheel.write_bytes(make_wheel(PURE_TAGGED))
    held = make_wheel(PURE_TAGGED, requires=["idna"])
    await lose(harness, await uploaded_by(harness, held))

    async def refuse() -> None:
        raise WorkerLostError(worker="worker-1")

    with pytest.raises(WorkerLostError):
        await retained(harness).publish(wheel, sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(), permit=refuse)
    assert list(harness.prod.files.values()) == [held]


async def test_deleted_name_takes_the_same_bytes_only(tmp_path: Path) -> None:
    harness = WheelHarness()
    index = retained(harness)
    wheel = tmp_path / PURE_TAGGED
    wheel.write_bytes(make_wheel(PURE_TAGGED))
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert (await index.publish(wheel, sha256=digest)).uploaded
    harness.put(PURE_TAGGED, wheel.read_bytes())
    await harness.wheels.delete(PURE_TAGGED, by="alice")
    await harness.prod.remove("demo", PURE_TAGGED)

    assert (await index.publish(wheel, sha256=digest)).uploaded
    await harness.prod.remove("demo", PURE_TAGGED)
    other = make_wheel(PURE_TAGGED, requires=["idna"])
    wheel.write_bytes(other)
    with pytest.raises(IndexConflictError):
        await index.publish(wheel, sha256=hashlib.sha256(other).hexdigest())
    assert list(harness.prod.filenames()) == []


async def test_sdist_whose_name_had_other_bytes_is_refused_after_a_deletion_too(tmp_path: Path) -> None:
    harness, sdist = WheelHarness(), tmp_path / "demo-1.0.tar.gz"
    harness.put_sdist(sdist.name, b"first")
    await harness.wheels.delete(sdist.name, by="alice")
    sdist.write_bytes(b"second")
    metadata, digest = b"Name: demo\n", hashlib.sha256(b"second").hexdigest()
    with pytest.raises(IndexConflictError):
        await retained(harness).publish_sdist(sdist, sha256=digest, metadata=metadata)
    other = tmp_path / "demo-1.1.tar.gz"
    other.write_bytes(b"second")
    assert (await retained(harness).publish_sdist(other, sha256=digest, metadata=metadata)).sha256 == digest
