"""Pages are kept, and are never older than the request for them."""

import asyncio
import gzip

import pytest
from tests.fakes.wheels import MemoryWheels
from tests.unit.wheel_harness import WheelHarness

from wheelyard.domain.index.index import Level
from wheelyard.domain.index.simple_format import Form
from wheelyard.domain.index.wheels import IndexChanges, IndexedWheel, Listing
from wheelyard.errors import DatabaseUnavailableError, NotFoundError
from wheelyard.usecases.simple_pages import SimplePages

FIRST, SECOND = "demo-1.0-1-py3-none-any.whl", "demo-2.0-1-py3-none-any.whl"


class CountingWheels(MemoryWheels):
    """Counts questions, and takes a while for each, so that others can come meanwhile."""

    asked = read = 0
    fault: DatabaseUnavailableError | None = None

    async def changes(self, since: int) -> IndexChanges:
        self.asked += 1
        if self.fault is not None:
            raise self.fault
        found = await super().changes(since)
        await asyncio.sleep(0.001)
        return found

    async def wheels_of(self, project: str) -> tuple[IndexedWheel, ...]:
        self.read += 1
        return await super().wheels_of(project)


@pytest.fixture
def harness() -> WheelHarness:
    return WheelHarness()


async def test_page_is_made_once_while_nothing_changes(harness: WheelHarness) -> None:
    harness.put(FIRST)
    store = CountingWheels(harness.state)
    pages = SimplePages(store, trusted_seconds=0)
    first = await pages.project("demo", Form.JSON)
    assert await pages.project("Demo", Form.JSON) is first
    assert store.read == 1
    harness.put("other-1.0-1-py3-none-any.whl")
    assert await pages.project("demo", Form.JSON) is first


async def test_change_is_on_the_very_next_page(harness: WheelHarness) -> None:
    harness.put(FIRST)
    pages = SimplePages(harness.wheels, trusted_seconds=0)
    before = await pages.project("demo", Form.JSON)
    harness.put(SECOND)
    after = await pages.project("demo", Form.JSON)
    assert SECOND.encode() not in before.body
    assert SECOND.encode() in after.body
    assert before.etag != after.etag
    await harness.wheels.delete(SECOND, by="alice")
    assert (await pages.project("demo", Form.JSON)).body == before.body


async def test_requests_at_once_share_questions_and_none_gets_an_older_answer(harness: WheelHarness) -> None:
    harness.put(FIRST)
    store = CountingWheels(harness.state)
    pages = SimplePages(store, trusted_seconds=0)
    early = [asyncio.create_task(pages.project("demo", Form.JSON)) for _ in range(50)]
    await asyncio.sleep(0.0005)
    harness.put(SECOND)
    late = await asyncio.gather(*(pages.project("demo", Form.JSON) for _ in range(50)))
    await asyncio.gather(*early)
    assert all(SECOND.encode() in page.body for page in late)
    assert store.asked <= 4


async def test_answer_is_trusted_for_a_moment_unless_there_is_doubt(harness: WheelHarness) -> None:
    harness.put(FIRST)
    store = CountingWheels(harness.state)
    pages = SimplePages(store, trusted_seconds=3600)
    for _ in range(5):
        await pages.project("demo", Form.JSON)
    assert store.asked == 1
    harness.put(SECOND)
    pages.doubt()
    assert SECOND.encode() in (await pages.project("demo", Form.JSON)).body
    assert store.asked == 2


async def test_page_is_not_served_unchecked_when_the_store_is_away(harness: WheelHarness) -> None:
    harness.put(FIRST)
    store = CountingWheels(harness.state)
    pages = SimplePages(store, trusted_seconds=0)
    await pages.project("demo", Form.JSON)
    store.fault = DatabaseUnavailableError(reason="switched off")
    with pytest.raises(DatabaseUnavailableError):
        await pages.project("demo", Form.JSON)
    store.fault = None
    assert (await pages.project("demo", Form.JSON)).body


async def test_large_page_is_packed_too(harness: WheelHarness) -> None:
    for number in range(20):
        harness.put(f"demo-1.{number}-1-py3-none-any.whl")
    page = await SimplePages(harness.wheels, trusted_seconds=0).project("demo", Form.HTML)
    assert page.packed is not None
    assert gzip.decompress(page.packed) == page.body
    assert len(page.packed) < len(page.body) / 3


async def test_staged_wheel_is_on_the_staging_page_only_until_it_is_promoted(harness: WheelHarness) -> None:
    harness.put(FIRST, level=Level.STAGING)
    prod, staging = (
        SimplePages(harness.wheels, trusted_seconds=0),
        SimplePages(harness.wheels, listing=Listing(level=Level.STAGING), trusted_seconds=0),
    )
    with pytest.raises(NotFoundError):
        await prod.project("demo", Form.JSON)
    assert b"demo" not in (await prod.names(Form.JSON)).body
    assert b"demo" in (await staging.names(Form.JSON)).body
    assert b'"../../../files/' in (await staging.project("demo", Form.JSON)).body
    await harness.wheels.promote(FIRST, url="memory:demo/x", by="alice")
    assert FIRST.encode() in (await prod.project("demo", Form.JSON)).body
    assert FIRST.encode() in (await staging.project("demo", Form.JSON)).body


async def test_project_without_a_listed_wheel_is_not_found(harness: WheelHarness) -> None:
    pages = SimplePages(harness.wheels, trusted_seconds=0)
    with pytest.raises(NotFoundError):
        await pages.project("demo", Form.JSON)
    harness.put(FIRST)
    await harness.wheels.delete(FIRST, by="alice")
    with pytest.raises(NotFoundError):
        await pages.project("demo", Form.JSON)
    assert b"demo" not in (await pages.names(Form.HTML)).body
