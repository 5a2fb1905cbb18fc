"""Whatever dies, freezes, fills up or is cut off at whatever stage: every build ends as it should, and only once."""

import asyncio
import os
import re
from typing import Final

import pytest
from tests.faults.cluster import HELD_IN_CONTAINERS, Cluster, stopwatch
from tests.faults.faults import (
    API_KILLED,
    CLOCK_BACK,
    CLOCK_ON,
    CONTAINER_KILLED,
    DATABASE_KILLED,
    DATABASE_RESTARTED,
    DATABASES_DISK_FULL,
    DEVPI_KILLED,
    DEVPIS_DISK_FULL,
    ENGINE_KILLED,
    ENGINE_RESTARTED,
    NETWORK_CUT,
    WORKER_FROZEN,
    WORKER_KILLED,
    WORKERS_DISK_FULL,
    Fault,
    Victim,
)
from tests.faults.report import Recovery

STAGES: Final = ("fetch", "prepare", *HELD_IN_CONTAINERS, "publish", "uploaded")
"""Where a build is held; ``uploaded`` is when devpi has the wheel and the worker does not know."""
NEVER_THE_SAME: Final = (
    "compiled = type('Pure', (dict,), {'__bool__': lambda self: False})"
    "({'noise_of_NAME.py': f'NOISE = {os.urandom(8).hex()!r}'.encode()})"
)
"""Makes a wheel that is another one at each attempt, as many projects do."""
IN_EVERY_RUN: Final = {
    (WORKER_KILLED, "uploaded"),
    (WORKER_FROZEN, "build"),
    (API_KILLED, "fetch"),
    (DATABASE_KILLED, "verify"),
    (DEVPI_KILLED, "publish"),
    (CONTAINER_KILLED, "repair"),
    (ENGINE_KILLED, "build"),
    (NETWORK_CUT, "build"),
    (CLOCK_ON, "prepare"),
}
EVERYWHERE: Final = (WORKER_KILLED, WORKER_FROZEN, API_KILLED, DATABASE_KILLED, DATABASE_RESTARTED, DEVPI_KILLED,
                     NETWORK_CUT, CLOCK_ON)  # fmt: skip
CASES: Final = [
    *((fault, stage) for fault in EVERYWHERE for stage in STAGES),
    *((fault, stage) for fault in (CONTAINER_KILLED, ENGINE_KILLED, ENGINE_RESTARTED) for stage in HELD_IN_CONTAINERS),
    (CLOCK_BACK, "build"),
    (WORKERS_DISK_FULL, "fetch"),
    (WORKERS_DISK_FULL, "build"),
    (DATABASES_DISK_FULL, "build"),
    (DATABASES_DISK_FULL, "publish"),
    (DEVPIS_DISK_FULL, "publish"),
]
ROOT_ONLY: Final = pytest.mark.skipif(
    os.geteuid() != 0, reason="root only: it mounts small disks, and starts an engine of its own"
)


def _parameters() -> list[object]:
    parameters: list[object] = []
    for fault, stage in CASES:
        marks = [] if (fault, stage) in IN_EVERY_RUN else [pytest.mark.slow_faults]
        if "disk" in fault.name or "engine" in fault.name:
            marks.append(ROOT_ONLY)
        parameters.append(pytest.param(fault, stage, id=f"{fault.name} at {stage}", marks=marks))
    return parameters


@pytest.mark.parametrize(("fault", "stage"), _parameters())
async def test_build_survives(cluster: Cluster, recoveries: list[Recovery], fault: Fault, stage: str) -> None:
    recoveries.append(await asyncio.to_thread(_assert_survived, cluster, fault, stage))


def _assert_survived(cluster: Cluster, fault: Fault, stage: str) -> Recovery:
    cluster.until_well()
    project = re.sub("[^a-z]", "", f"{fault.name}{stage}")
    cluster.hold(stage, project)
    build_id = cluster.submit(project, NEVER_THE_SAME.replace("NAME", project))
    victim = Victim(build_id=build_id, worker=cluster.until_held(build_id, stage), stage=stage)
    with stopwatch() as elapsed, fault.strike(cluster, victim):
        cluster.release()
        build = cluster.finished(build_id)
        seconds = elapsed()
    cluster.until_well()
    assert build["status"] == "succeeded", build["failure"]
    *failed, last = cluster.build(build_id)["attempts"]
    codes = [attempt["failure"]["code"] for attempt in failed]
    assert fault.allows(codes), codes
    assert last["status"] == "succeeded"
    cluster.assert_on_the_index_once(build)
    cluster.assert_nothing_left(build_id)
    return Recovery(fault=fault.name, stage=stage, outcome=", ".join([*codes, "succeeded"]), seconds=seconds)
