"""The faults: what is done to the cluster while a build is held at a stage, and how an operator would recover."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from tests.acceptance.processes import command_line, descendants, is_listening, wait_for
from tests.faults.cluster import Cluster

_LOST: Final = frozenset({"worker-lost"})
_INDEX_AWAY: Final = frozenset({"index-unavailable", "publish-unproven"})
_ENGINE_AWAY: Final = frozenset({"engine-command", "engine-unavailable", "container-lost"})
_OUTAGE_SECONDS: Final = 1.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Victim:
    """A build that is held at a stage, and who has it."""

    build_id: str
    worker: str
    """The part's name."""
    stage: str


Strike = Callable[[Cluster, Victim], AbstractContextManager[None]]
"""Strikes when it is entered; when it is left, after the build has ended, everything is as before."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """A fault, and what it may do to a build's attempts before one succeeds."""

    name: str
    strike: Strike
    failures: frozenset[str] = frozenset()
    """Codes that attempts may fail with; none means that the first one succeeds."""
    must_fail: bool = False
    """True if no attempt can outlive it."""

    def allows(self, codes: list[str]) -> bool:
        """Tell whether the attempts before the one that succeeded may have failed like this."""
        return self.failures.issuperset(codes) and (bool(codes) or not self.must_fail)


def attempt_number(cluster: Cluster, build_id: str) -> int:
    """Tell how many attempts a build has had so far."""
    return len(cluster.build(build_id)["attempts"])


@contextmanager
def kill_worker(cluster: Cluster, victim: Victim) -> Iterator[None]:
    """Kill the worker alone: the engine's client and the container live on."""
    cluster.parts[victim.worker].kill_alone()
    yield
    cluster.start_again(victim.worker)


@contextmanager
def freeze_worker(cluster: Cluster, victim: Victim) -> Iterator[None]:
    """Freeze the worker, with all that it has started, until another has taken over and finished."""
    part = cluster.parts[victim.worker]
    before = cluster.containers(victim.build_id)
    # The worker first: after that it starts nothing more, and what it has started may only end by itself meanwhile.
    _send(part.process.pid, signal.SIGSTOP)
    frozen = [part.process.pid, *(mark.pid for mark in descendants(part.process.pid))]
    try:
        for pid in frozen[1:]:
            _send(pid, signal.SIGSTOP)
        wait_for("the takeover", lambda: attempt_number(cluster, victim.build_id) > 1, seconds=60)
        gone = lambda: not set(before) & set(cluster.containers(victim.build_id))  # noqa: E731  (a condition)
        wait_for("the end of its container", gone, seconds=20)
        yield
    finally:
        for pid in reversed(frozen):
            _send(pid, signal.SIGCONT)
    time.sleep(_OUTAGE_SECONDS)  # for whatever it might still want to do


def _send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process, which may have ended."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


@contextmanager
def kill_api(cluster: Cluster, victim: Victim) -> Iterator[None]:
    """Kill the API, and start it again a little later."""
    del victim
    cluster.parts["api"].kill()
    time.sleep(_OUTAGE_SECONDS)
    cluster.start_again("api")
    yield


@contextmanager
def kill_database(cluster: Cluster, victim: Victim) -> Iterator[None]:
    """Kill PostgreSQL, which whoever keeps it starts again."""
    del victim
    _signal_database(cluster, signal.SIGKILL)
    yield


@contextmanager
def restart_database(cluster: Cluster, victim: Victim) -> Iterator[None]:
    """Have PostgreSQL end in order, all sessions cut off, and start again."""
    del victim
    _signal_database(cluster, signal.SIGINT)
    yield


def _signal_database(cluster: Cluster, number: signal.Signals) -> None:
    former = cluster.postgres.pid
    assert former is not None
    os.kill(former, number)
    wait_for("the database", lambda: cluster.postgres.pid not in {former, None}, seconds=60)


@contextmanager
def kill_devpi(cluster: Cluster, victim: Victim) -> Iterator[None]:
    """Kill devpi; the part that kept it ends for that, and is started again as an operator's systemd would."""
    del victim
    part = cluster.parts["devpi"]
    server = next(mark for mark in descendants(part.process.pid) if "devpi_server" in command_line(mark))
    server.send(signal.SIGKILL)
    part.process.wait(60)
    cluster.start_again("devpi")
    wait_for("devpi", lambda: is_listening(cluster.settings["INDEX_URL"]), seconds=60)
    yield


@contextmanager
def kill_container(cluster: Cluster, victim: Victim) -> Iterator[None]:
    """Kill the container, as an operator's mistake or the host's own killer may."""
    subprocess.run([cluster.engine, "kill", *cluster.running(victim.build_id)], check=True, capture_output=True)
    yield


@contextmanager
def kill_engine(cluster: Cluster, victim: Victim) -> Iterator[None]:
    """Kill the engine, whose containers live on, and start it again a little later."""
    containers = cluster.running(victim.build_id)
    cluster.private_engine.kill()
    time.sleep(_OUTAGE_SECONDS)
    cluster.start_engine()
    assert not set(containers) & set(cluster.running(victim.build_id)), "the engine has not ended what outlived it"
    yield


@contextmanager
def restart_engine(cluster: Cluster, victim: Victim) -> Iterator[None]:
    """Have the engine end in order, with all its containers, and start it again a little later."""
    del victim
    cluster.private_engine.stop()
    time.sleep(_OUTAGE_SECONDS)
    cluster.start_engine()
    yield


@contextmanager
def cut_network(cluster: Cluster, victim: Victim) -> Iterator[None]:
    """Cut the line between the worker and the database without a word, until another has taken over and finished."""
    cluster.lines[victim.worker].cut()
    before = cluster.containers(victim.build_id)
    wait_for("the takeover", lambda: attempt_number(cluster, victim.build_id) > 1, seconds=60)
    assert not set(before) & set(cluster.running(victim.build_id)), "it ran on when another had the build"
    yield
    cluster.lines[victim.worker].restore()


@contextmanager
def put_clock_on(cluster: Cluster, victim: Victim) -> Iterator[None]:
    """Put the database's clock on by an hour."""
    del victim
    cluster.put_clock(hours=1)
    time.sleep(_OUTAGE_SECONDS)
    yield
    cluster.put_clock(hours=0)
    time.sleep(_OUTAGE_SECONDS)


@contextmanager
def put_clock_back(cluster: Cluster, victim: Victim) -> Iterator[None]:
    """Put the database's clock back by an hour, and kill the worker: its lease must not last that long."""
    cluster.put_clock(hours=-1)
    time.sleep(_OUTAGE_SECONDS)
    with kill_worker(cluster, victim):
        yield
    cluster.put_clock(hours=0)
    time.sleep(_OUTAGE_SECONDS)


@contextmanager
def fill_workers_disk(cluster: Cluster, victim: Victim) -> Iterator[None]:
    """Fill the disk of the worker for a while."""
    with cluster.full_disk(cluster.parts[victim.worker].launch.state_dir):
        _wait_behind_the_gate(cluster)
    yield


@contextmanager
def fill_databases_disk(cluster: Cluster, victim: Victim) -> Iterator[None]:
    """Fill the disk of PostgreSQL for a while."""
    del victim
    with cluster.full_disk(cluster.database_dir):
        _wait_behind_the_gate(cluster)
    yield


@contextmanager
def fill_devpis_disk(cluster: Cluster, victim: Victim) -> Iterator[None]:
    """Fill the disk of devpi for a while."""
    del victim
    with cluster.full_disk(cluster.parts["devpi"].launch.state_dir):
        _wait_behind_the_gate(cluster)
    yield


def _wait_behind_the_gate(cluster: Cluster) -> None:
    """Let the build go on, so that it meets what is full."""
    cluster.release()
    time.sleep(2 * _OUTAGE_SECONDS)


WORKER_KILLED: Final = Fault(name="kill -9 of the worker", strike=kill_worker, failures=_LOST, must_fail=True)
WORKER_FROZEN: Final = Fault(name="worker frozen, then woken", strike=freeze_worker, failures=_LOST, must_fail=True)
API_KILLED: Final = Fault(name="kill -9 of the API", strike=kill_api)
DATABASE_KILLED: Final = Fault(
    name="kill -9 of PostgreSQL", strike=kill_database, failures=_LOST | {"database-unavailable"}
)
DATABASE_RESTARTED: Final = Fault(name="PostgreSQL restarted", strike=restart_database, failures=_LOST)
DEVPI_KILLED: Final = Fault(name="kill -9 of devpi", strike=kill_devpi, failures=_INDEX_AWAY)
CONTAINER_KILLED: Final = Fault(
    name="kill -9 of the container", strike=kill_container, failures=frozenset({"container-lost"}), must_fail=True
)
ENGINE_KILLED: Final = Fault(name="kill -9 of the engine", strike=kill_engine, failures=_ENGINE_AWAY, must_fail=True)
ENGINE_RESTARTED: Final = Fault(name="engine restarted", strike=restart_engine, failures=_ENGINE_AWAY, must_fail=True)
NETWORK_CUT: Final = Fault(name="network to the database cut", strike=cut_network, failures=_LOST, must_fail=True)
CLOCK_ON: Final = Fault(name="database's clock an hour on", strike=put_clock_on)
CLOCK_BACK: Final = Fault(
    name="clock an hour back, and kill -9 of the worker", strike=put_clock_back, failures=_LOST, must_fail=True
)
WORKERS_DISK_FULL: Final = Fault(name="worker's disk full", strike=fill_workers_disk, failures=frozenset({"disk-full"}))
DATABASES_DISK_FULL: Final = Fault(name="PostgreSQL's disk full", strike=fill_databases_disk, failures=_LOST)
DEVPIS_DISK_FULL: Final = Fault(name="devpi's disk full", strike=fill_devpis_disk, failures=_INDEX_AWAY)
