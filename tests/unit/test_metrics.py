"""What Prometheus reads: families of bounded size, the same figures from every API process, and only for readers."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.contract.figure_contract import CARD
from tests.contract.samples import sample_order
from tests.contract.stores import FAILURE, SUCCESS
from tests.unit.api_harness import ApiHarness, api_harness, assert_problem

from wheelyard.domain.builds.metrics import BUCKETS, Count, Total
from wheelyard.domain.builds.queue import WorkerState
from wheelyard.domain.builds.records import Outcome
from wheelyard.errors import WorkerLostError
from wheelyard.metrics import CacheLookups, HttpMetrics

LANE = (("architecture", "x86_64"), ("python", "3.13"), ("suite", "bookworm"))
Values = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ApiHarness]:
    async with api_harness(tmp_path) as made:
        yield made


async def scrape(harness: ApiHarness) -> Values:
    response = await harness.client.get("/metrics")
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return values_of(response.text)


def values_of(text: str) -> Values:
    families = list(text_string_to_metric_families(text))
    assert all(family.documentation for family in families)
    samples = [sample for family in families for sample in family.samples]
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for one in samples}


async def finished(harness: ApiHarness, outcome: Outcome, key: str) -> None:
    build_id = (await harness.builds.submit(sample_order(key=key), requested_by="somebody")).build.id
    claim = await harness.attempts.claim(build_id, worker="w", lease_seconds=60)
    assert claim is not None
    await harness.attempts.finish(claim, outcome)


async def test_queue_of_an_idle_lane_is_zero(harness: ApiHarness) -> None:
    await harness.workers.report_worker(CARD)
    values = await scrape(harness)
    for priority in ("interactive", "batch"):
        labels = tuple(sorted((*LANE, ("priority", priority), ("state", "ready"))))
        assert values["wheelyard_queue_builds", labels] == 0
    assert values["wheelyard_running_builds", LANE] == 0


async def test_what_waits_is_told_by_lane_and_priority(harness: ApiHarness) -> None:
    await harness.builds.submit(sample_order(), requested_by="somebody")
    harness.clock.advance(7)
    values = await scrape(harness)
    place = (*LANE, ("priority", "interactive"))
    assert values["wheelyard_queue_builds", tuple(sorted((*place, ("state", "ready"))))] == 1
    assert values["wheelyard_queue_oldest_seconds", tuple(sorted(place))] == 7


async def test_results_are_told_by_status_and_code(harness: ApiHarness) -> None:
    await finished(harness, SUCCESS, "a")
    await finished(harness, FAILURE, "b")
    assert FAILURE.failure is not None
    values = await scrape(harness)
    failed = (("code", FAILURE.failure.code), ("status", "failed"))
    assert values["wheelyard_builds_ended_total", (("code", ""), ("status", "succeeded"))] == 1
    assert values["wheelyard_builds_ended_total", failed] == 1
    assert values["wheelyard_attempts_ended_total", failed] == 1
    assert values["wheelyard_requests_total", (("outcome", "queued"),)] == 2


async def test_histogram_is_cumulative_and_complete(harness: ApiHarness) -> None:
    for seconds in (0.05, 3.0, 100_000.0):
        await harness.services.figures.add([Count.of(Total.STAGE_DURATION, "build", measured=seconds)])
    values = await scrape(harness)
    bounds = [*map(str, BUCKETS), "+Inf"]
    name = "wheelyard_stage_duration_seconds"
    counts = [values[f"{name}_bucket", (("le", bound), ("stage", "build"))] for bound in bounds]
    assert counts == sorted(counts)
    by_bound = dict(zip(bounds, counts, strict=True))
    assert (by_bound["0.01"], by_bound["0.1"], by_bound["5.0"], by_bound["7200.0"], by_bound["+Inf"]) == (0, 1, 2, 2, 3)
    assert values[f"{name}_count", (("stage", "build"),)] == 3
    assert values[f"{name}_sum", (("stage", "build"),)] == 100_003.05


async def test_lost_workers_are_counted(harness: ApiHarness) -> None:
    assert (await scrape(harness))["wheelyard_lease_takeovers_total", ()] == 0
    await harness.services.figures.add([Count.of(Total.ATTEMPTS, "failed", WorkerLostError.code)])
    assert (await scrape(harness))["wheelyard_lease_takeovers_total", ()] == 1


async def test_worker_is_told_with_its_host_until_it_stops(harness: ApiHarness) -> None:
    await harness.workers.report_worker(CARD)
    values = await scrape(harness)
    assert values["wheelyard_workers", (("state", "active"),)] == 1
    assert values["wheelyard_worker_disk_free_bytes", (("worker", "w"),)] == 1 << 39
    assert values["wheelyard_worker_engine_up", (("worker", "w"),)] == 1
    await harness.workers.report_worker(replace(CARD, state=WorkerState.STOPPED))
    values = await scrape(harness)
    assert values["wheelyard_workers", (("state", "stopped"),)] == 1
    assert ("wheelyard_worker_disk_free_bytes", (("worker", "w"),)) not in values


async def test_requests_are_counted_by_route_and_never_by_path(harness: ApiHarness) -> None:
    for path in ("/v1/builds/a", "/v1/builds/b", "/nowhere/a", "/nowhere/b"):
        await harness.client.get(path)
    await harness.client.request("BREW", "/healthz")
    values = await scrape(harness)
    name = "wheelyard_http_requests_total"
    missing = (("method", "GET"), ("route", "/v1/builds/{build_id}"), ("status", "404"))
    assert values[name, missing] == 2
    assert values[name, (("method", "GET"), ("route", "other"), ("status", "404"))] == 2
    (brewed,) = [labels for known, labels in values if known == name and ("method", "other") in labels]
    assert ("status", "405") in brewed
    count = ("wheelyard_http_request_duration_seconds_count", missing[:2])
    assert values[count] == 2


async def test_no_label_names_a_project_or_a_person(harness: ApiHarness) -> None:
    await finished(harness, SUCCESS, "a")
    await harness.client.get("/simple/pyyaml/")
    text = (await harness.client.get("/metrics")).text
    assert "pyyaml" not in text
    assert "somebody" not in text


async def test_metrics_need_a_token(harness: ApiHarness) -> None:
    response = await harness.client.get("/metrics", headers={"Authorization": ""})
    assert_problem(response, 401, "unauthenticated")


def test_lookups_that_could_not_be_handed_over_are_kept() -> None:
    lookups = CacheLookups()
    lookups.note("files", found=True)
    lookups.note("files", found=True)
    taken = lookups.take()
    assert [(one.labels, one.count) for one in taken] == [(("files", "hit"), 2)]
    assert lookups.take() == ()
    lookups.put_back(taken)
    lookups.note("files", found=False)
    assert [(one.labels, one.count) for one in lookups.take()] == [(("files", "hit"), 2), (("files", "miss"), 1)]


def test_processes_count_for_themselves() -> None:
    first, second = HttpMetrics(version="1"), HttpMetrics(version="1")
    first.observe(method="GET", route="/", status=200, seconds=0.1)
    name, labels = "wheelyard_http_requests_total", {"method": "GET", "route": "/", "status": "200"}
    assert first.registry.get_sample_value(name, labels) == 1
    assert second.registry.get_sample_value(name, labels) is None
