"""Prometheus metrics: counters of this process, and the metrics of the stores in Prometheus format.

Label values are limited: no label contains the name of a project, a person or a path.
"""

import threading
from collections import Counter as Counted
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from wheelyard.domain.builds.metrics import BUCKETS, Count, Metrics, QueueDepth, Total
from wheelyard.domain.builds.queue import Lane, Priority, WorkerState, WorkerStatus

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OTHER: Final = "other"
_HTTP_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LANE: Final = ("architecture", "suite", "python")
_LOST_CODE: Final = "worker-lost"

_COUNTERS: Final[Mapping[Total, tuple[str, str, Sequence[str]]]] = {
    Total.REQUESTS: ("requests", "Requests for a wheel, by outcome.", ("outcome",)),
    Total.BUILDS: ("builds_ended", "Builds that ended, by status and failure code.", ("status", "code")),
    Total.ATTEMPTS: ("attempts_ended", "Attempts that ended, by status and failure code.", ("status", "code")),
    Total.WHEELS: ("wheels_published", "Wheels published on the index, by origin.", ("origin",)),
    Total.CACHE_LOOKUPS: ("cache_lookups", "Cache look-ups of workers.", ("cache", "result")),
}
_HISTOGRAMS: Final[Mapping[Total, tuple[str, str, Sequence[str]]]] = {
    Total.BUILD_WAIT: ("build_wait_seconds", "Time from a build's creation to its first attempt.", ("priority",)),
    Total.BUILD_DURATION: ("build_duration_seconds", "Time from a build's first attempt to its end.", ("status",)),
    Total.STAGE_DURATION: ("stage_duration_seconds", "Duration of a stage of an attempt.", ("stage",)),
}


class HttpMetrics:
    """HTTP metrics and resource usage of this process."""

    def __init__(self, *, version: str = "") -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        self._seconds = Histogram(
            "wheelyard_http_request_duration_seconds",
            "Time until a response of this process began.",
            ("method", "route"),
            registry=self.registry,
            buckets=_HTTP_BUCKETS,
        )
        self._answers = Counter(
            "wheelyard_http_requests",
            "Requests answered by this process.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        about = Gauge("wheelyard_build_info", "Version of this process.", ("version",), registry=self.registry)
        about.labels(version).set(1)
        ProcessCollector(registry=self.registry)

    def observe(self, *, method: str, route: str | None, status: int, seconds: float) -> None:
        """Count a response; ``route`` is the pattern of the matched route, None if there was no match."""
        method, route = method if method in _METHODS else _OTHER, route or _OTHER
        self._answers.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)


@dataclass(frozen=True, slots=True)
class CacheLookups:
    """Counts the cache look-ups of this process until they are added to the totals."""

    _counts: Counted[tuple[str, str]] = field(default_factory=Counted)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, cache: str, *, found: bool) -> None:
        """Count a look-up; safe to call from any thread."""
        with self._lock:
            self._counts[cache, "hit" if found else "miss"] += 1

    def take(self) -> tuple[Count, ...]:
        """Return the counts and reset them."""
        with self._lock:
            taken = dict(self._counts)
            self._counts.clear()
        return tuple(
            Count(name=Total.CACHE_LOOKUPS, labels=labels, bucket=BUCKETS[0], count=count)
            for labels, count in sorted(taken.items())
        )

    def put_back(self, counts: Iterable[Count]) -> None:
        """Add counts back that could not be stored."""
        with self._lock:
            for one in counts:
                cache, result = one.labels
                self._counts[cache, result] += one.count


def render(http: HttpMetrics, metrics: Metrics) -> bytes:
    """Return all metrics in Prometheus format."""
    shared = CollectorRegistry(auto_describe=False)
    shared.register(_Shared(metrics))
    return generate_latest(shared) + generate_latest(http.registry)


@dataclass(frozen=True, slots=True)
class _Shared(Collector):
    """Metrics that are the same in every process."""

    metrics: Metrics

    def collect(self) -> Iterator[Metric]:
        """Yield every metric family, including those without values."""
        yield from _queue(self.metrics)
        yield from _totals(self.metrics.tallies)
        yield from _index(self.metrics)
        yield from _workers(self.metrics.workers)


def _queue(metrics: Metrics) -> Iterator[Metric]:
    builds = GaugeMetricFamily(
        "wheelyard_queue_builds",
        "Queued builds: ready, paused until their next attempt, or waiting for other builds.",
        labels=(*_LANE, "priority", "state"),
    )
    oldest = GaugeMetricFamily(
        "wheelyard_queue_oldest_seconds", "Age of the oldest build that is ready.", labels=(*_LANE, "priority")
    )
    for depth in _depths(metrics):
        place = [*_labels_of(depth.lane), depth.priority.value]
        builds.add_metric([*place, "ready"], depth.ready)
        builds.add_metric([*place, "paused"], depth.paused)
        builds.add_metric([*place, "waiting"], depth.waiting)
        oldest.add_metric(place, depth.oldest_seconds)
    running = GaugeMetricFamily("wheelyard_running_builds", "Running builds.", labels=_LANE)
    for lane, count in {**dict.fromkeys(_lanes(metrics), 0), **dict(metrics.running)}.items():
        running.add_metric(_labels_of(lane), count)
    prebuilds = GaugeMetricFamily("wheelyard_unfinished_prebuilds", "Unfinished requests for whole applications.")
    prebuilds.add_metric([], metrics.unfinished_prebuilds)
    yield from (builds, oldest, running, prebuilds)


def _lanes(metrics: Metrics) -> list[Lane]:
    """Return the lanes with a worker or a queued build, so that a lane with an empty queue reports 0."""
    served = {lane for worker in metrics.workers for lane in worker.registration.served}
    return sorted(served | {depth.lane for depth in metrics.queue}, key=str)


def _depths(metrics: Metrics) -> list[QueueDepth]:
    known = {(depth.lane, depth.priority): depth for depth in metrics.queue}
    places = [(lane, priority) for lane in _lanes(metrics) for priority in Priority]
    return [known.get(place, QueueDepth(lane=place[0], priority=place[1])) for place in places]


def _labels_of(lane: Lane) -> list[str]:
    return [lane.architecture, lane.suite, lane.python]


def _totals(all_counts: Sequence[Count]) -> Iterator[Metric]:
    by_name: defaultdict[Total, defaultdict[tuple[str, ...], list[Count]]] = defaultdict(lambda: defaultdict(list))
    for one in all_counts:
        by_name[one.name][one.labels].append(one)
    for total, (name, text, labels) in _COUNTERS.items():
        counter = CounterMetricFamily(f"wheelyard_{name}", text, labels=labels)
        for values, counted in by_name[total].items():
            counter.add_metric(values, sum(one.count for one in counted))
        yield counter
    for total, (name, text, labels) in _HISTOGRAMS.items():
        histogram = HistogramMetricFamily(f"wheelyard_{name}", text, labels=labels)
        for values, counted in by_name[total].items():
            histogram.add_metric(values, _cumulated(counted), sum(one.amount for one in counted))
        yield histogram
    takeovers = CounterMetricFamily("wheelyard_lease_takeovers", "Attempts that ended because their worker was lost.")
    lost = [one.count for values, some in by_name[Total.ATTEMPTS].items() if values[1] == _LOST_CODE for one in some]
    takeovers.add_metric([], sum(lost))
    yield takeovers


def _cumulated(counted: Sequence[Count]) -> list[tuple[str, float]]:
    """Return the cumulative count of each bucket."""
    counts = Counted[float]()
    for one in counted:
        counts[one.bucket] += one.count
    bounds = (*BUCKETS, inf)
    return [(_bound(bound), sum(counts[below] for below in bounds if below <= bound)) for bound in bounds]


def _bound(bound: float) -> str:
    return "+Inf" if bound == inf else str(bound)


def _index(metrics: Metrics) -> Iterator[Metric]:
    wheels = GaugeMetricFamily("wheelyard_index_wheels", "Wheels that the index lists, by level.", labels=("level",))
    size = GaugeMetricFamily("wheelyard_index_bytes", "Size of the wheels that the index lists.", labels=("level",))
    for level in metrics.index:
        wheels.add_metric([level.level.value], level.wheels)
        size.add_metric([level.level.value], level.size_bytes)
    yield from (wheels, size)
    if metrics.database_bytes is not None:
        yield GaugeMetricFamily("wheelyard_database_bytes", "Size of the database.", value=metrics.database_bytes)


def _workers(workers: Sequence[WorkerStatus]) -> Iterator[Metric]:
    states = GaugeMetricFamily("wheelyard_workers", "Workers, by state.", labels=("state",))
    for state in WorkerState:
        states.add_metric([state.value], sum(worker.registration.state is state for worker in workers))
    yield states
    live = [worker for worker in workers if worker.registration.state in {WorkerState.ACTIVE, WorkerState.DRAINING}]
    for name, text, values in _worker_metrics(live):
        family = GaugeMetricFamily(f"wheelyard_worker_{name}", text, labels=("worker",))
        for worker, value in values.items():
            family.add_metric([worker], value)
        yield family


def _worker_metrics(workers: Sequence[WorkerStatus]) -> Iterator[tuple[str, str, Mapping[str, float]]]:
    """Yield name, help text and the value of each live worker."""
    slots = {worker.registration.name: worker.registration.capacity.slots for worker in workers}
    yield "slots", "Builds that the worker can run at the same time.", slots
    yield "slots_used", "Builds that the worker runs.", {one.registration.name: len(one.builds) for one in workers}
    hosts = {worker.registration.name: worker.registration.host_figures for worker in workers}
    known = {name: host for name, host in hosts.items() if host is not None}
    yield "disk_size_bytes", "Size of the state directory's disk.", {n: h.disk_size_bytes for n, h in known.items()}
    yield "disk_free_bytes", "Free space of that disk.", {n: h.disk_free_bytes for n, h in known.items()}
    yield "engine_up", "1 if its container engine answers.", {n: h.engine_answers for n, h in known.items()}
    yield "containers", "Wheelyard containers that run on its engine.", {n: h.containers for n, h in known.items()}
    yield "images", "Wheelyard images on its engine.", {n: h.images for n, h in known.items()}
    yield "image_bytes", "Size of these images, with shared layers.", {n: h.image_bytes for n, h in known.items()}
