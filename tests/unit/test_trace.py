"""A trace that a caller has begun goes on: in the answer, in the log, with the build, in its attempts' entries."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs
from tests.contract.samples import sample_order
from tests.unit.api_harness import ApiHarness, api_harness
from tests.unit.pipeline_harness import PipelineHarness
from tests.unit.run_build_harness import RunHarness, pass_through

from wheelyard.domain.trace import Trace, TraceParent

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
SPAN_ID = "b7ad6b7169203331"
HEADER = f"00-{TRACE_ID}-{SPAN_ID}-01"
WITH_CONTEXT = [structlog.contextvars.merge_contextvars]


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ApiHarness]:
    async with api_harness(tmp_path) as made:
        yield made


def test_header_is_read_and_written() -> None:
    found = TraceParent.parse(HEADER)
    assert found == TraceParent(trace_id=TRACE_ID, span_id=SPAN_ID, flags=1)
    assert str(found) == HEADER


@pytest.mark.parametrize("header", [f"cc-{TRACE_ID}-{SPAN_ID}-01-what-comes-later", f"00-{TRACE_ID}-{SPAN_ID}-03"])
def test_header_of_a_later_version_is_read_as_far_as_it_is_known(header: str) -> None:
    assert TraceParent.parse(header) == TraceParent(trace_id=TRACE_ID, span_id=SPAN_ID, flags=1)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "00",
        f"ff-{TRACE_ID}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{SPAN_ID}-01-more",
        f"00-{TRACE_ID.upper()}-{SPAN_ID}-01",
        f"00-{'0' * 32}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID}-{SPAN_ID}-0x",
        f"00-{TRACE_ID}\n-{SPAN_ID}-01",
    ],
)
def test_header_that_may_not_be_used_is_none(header: str | None) -> None:
    assert TraceParent.parse(header) is None


async def test_answer_goes_on_with_the_callers_trace_in_a_span_of_its_own(harness: ApiHarness) -> None:
    answer = await harness.client.get("/healthz", headers={"traceparent": HEADER})
    found = TraceParent.parse(answer.headers["traceparent"])
    assert found is not None
    assert (found.trace_id, found.flags) == (TRACE_ID, 1)
    assert found.span_id != SPAN_ID


async def test_request_without_a_trace_begins_one(harness: ApiHarness) -> None:
    answers = [await harness.client.get("/healthz", headers=headers) for headers in ({}, {"traceparent": "nonsense"})]
    found = [TraceParent.parse(answer.headers["traceparent"]) for answer in answers]
    assert None not in found
    assert len({one.trace_id for one in found if one}) == 2


async def test_build_knows_the_request_that_it_was_queued_for(harness: ApiHarness) -> None:
    headers = {"traceparent": HEADER, "X-Request-ID": "mine"}
    build_id = (await harness.client.post("/v1/builds", json={"requirement": "pyyaml"}, headers=headers)).json()["id"]
    claim = await harness.attempts.claim(build_id, worker="w", lease_seconds=60)
    assert claim is not None
    assert claim.trace == Trace(request_id="mine", trace_id=TRACE_ID)
    assert harness.state.requests[0].trace == claim.trace


async def test_build_that_is_begun_again_knows_who_wanted_that(harness: ApiHarness) -> None:
    build_id = (await harness.client.post("/v1/builds", json={"requirement": "pyyaml"})).json()["id"]
    await harness.client.post(f"/v1/builds/{build_id}/cancel")
    await harness.client.post(f"/v1/builds/{build_id}/retry", headers={"X-Request-ID": "again", "traceparent": HEADER})
    claim = await harness.attempts.claim(build_id, worker="w", lease_seconds=60)
    assert claim is not None
    assert claim.trace == Trace(request_id="again", trace_id=TRACE_ID)


async def test_attempts_entries_lead_back_to_the_request(pipeline: PipelineHarness, tmp_path: Path) -> None:
    harness = RunHarness(pipeline=pipeline, folder=tmp_path)
    trace = Trace(request_id="mine", trace_id=TRACE_ID)
    build_id = (await harness.builds.submit(sample_order(), requested_by="x", trace=trace)).build.id
    with capture_logs(WITH_CONTEXT) as entries:
        await harness.runner(pass_through)(build_id)
    assert len(entries) >= 4
    expected = {"request_id": "mine", "trace_id": TRACE_ID, "build": build_id, "attempt": 1}
    assert all(entry.items() >= expected.items() for entry in entries)


async def test_requests_at_the_same_time_keep_their_traces_apart(harness: ApiHarness) -> None:
    with capture_logs(WITH_CONTEXT) as entries:
        names = [f"request-{letter}" for letter in "abcdef"]
        await asyncio.gather(*(harness.client.get("/v1/targets", headers={"X-Request-ID": name}) for name in names))
    answered = [entry for entry in entries if entry["event"] == "request-answered"]
    assert sorted(entry["request_id"] for entry in answered) == names
