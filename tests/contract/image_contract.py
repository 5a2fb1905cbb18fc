"""What every set of stores must keep about the images that workers report."""

from dataclasses import replace
from datetime import UTC, datetime

from tests.contract.stores import Stores

from wheelyard.domain.catalogue.packages import PackageChange
from wheelyard.domain.catalogue.status import EngineImages, ImageSummary, PendingUpdates
from wheelyard.domain.catalogue.upkeep import ImageRefresh, RefreshReport

MOMENT = datetime(2026, 11, 25, 8, 30, tzinfo=UTC)
IMAGE = ImageSummary(
    id="sha256:0123",
    name="wheelyard/builder-bookworm-3.13:0123",
    role="builder",
    suite="bookworm",
    python="3.13.15",
    size_bytes=400 << 20,
    created=MOMENT,
    revision="20261125T083000",
    current=True,
    added="",
)
CHANGE = PackageChange(package="libssl3", from_version="1", to_version="2", is_security=True)
REFRESH = ImageRefresh(image=IMAGE.name, pending=(CHANGE,), changes=(CHANGE,), refreshed=True)
FOUND = EngineImages(
    engine="E1",
    host="b-host",
    images=(IMAGE,),
    pending={"bookworm": PendingUpdates(checked=MOMENT, changes=(CHANGE,))},
    refreshed={"bookworm": RefreshReport(at=MOMENT, images=(REFRESH,))},
)


class ImageContract:
    async def test_engine_is_listed_as_it_was_reported_last(self, stores: Stores) -> None:
        await stores.fleet.report_images(replace(FOUND, images=(), pending={}, refreshed={}))
        await stores.fleet.report_images(FOUND)
        assert await stores.fleet.list_engines() == (FOUND,)

    async def test_engines_are_listed_by_host(self, stores: Stores) -> None:
        other = replace(FOUND, engine="E2", host="a-host")
        for found in (FOUND, other):
            await stores.fleet.report_images(found)
        assert await stores.fleet.list_engines() == (other, FOUND)

    async def test_engine_that_nobody_tells_of_any_more_is_not_listed(self, stores: Stores) -> None:
        await stores.fleet.report_images(FOUND)
        await stores.pass_time(901)
        assert await stores.fleet.list_engines() == ()
