"""Builders as the API and the command line show them: the catalogue beside a host's images."""

import io
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import TypeAdapter
from rich.console import Console
from tests.unit.api_harness import CATALOGUE, ApiHarness, api_harness

from wheelyard.cli.builders import builder_table, format_age, image_table
from wheelyard.domain.catalogue.catalogue import parse_catalogue
from wheelyard.domain.catalogue.images import ImageRecord
from wheelyard.domain.catalogue.packages import PackageChange
from wheelyard.domain.catalogue.status import (
    BuilderStatus,
    EngineImages,
    ImageSummary,
    PendingUpdates,
    describe_builders,
    summarise_images,
)
from wheelyard.domain.catalogue.upkeep import Fallback, ImageRefresh, RefreshReport

NOW = datetime(2026, 11, 24, tzinfo=UTC)
CHANGE = PackageChange(package="libssl3", from_version="1", to_version="2", is_security=True)
REFRESHED = ImageRefresh(image="builder", pending=(CHANGE,), changes=(CHANGE,), refreshed=True)
LEFT = ImageRefresh(image="environment", pending=(replace(CHANGE, package="libpq5"),), problem="libpq5 is gone")


def image(role: str, suite: str = "bookworm", *, current: bool = True) -> ImageSummary:
    return ImageSummary(
        id="sha256:0123456789abcdef",
        name=f"wheelyard/{role}-{suite}-3.13:0123",
        role=role,
        suite=suite,
        python="3.13.15",
        size_bytes=111 << 20,
        created=NOW - timedelta(days=3),
        revision="",
        current=current,
    )


@pytest.fixture
def builders() -> tuple[BuilderStatus, ...]:
    images = [
        image("environment"),
        image("runtime"),
        image("python"),
        image("builder", current=False),
        image("builder", "sarge"),
    ]
    pending = {"bookworm": PendingUpdates(checked=NOW, changes=(CHANGE,))}
    return described(EngineImages(engine="E1", host="b", images=tuple(images), pending=pending))


def described(*engines: EngineImages) -> tuple[BuilderStatus, ...]:
    return describe_builders(parse_catalogue(CATALOGUE.read_text()), engines)


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ApiHarness]:
    async with api_harness(tmp_path) as made:
        yield made


def shown(*tables: object) -> str:
    stream = io.StringIO()
    Console(file=stream, width=200).print(*tables)
    return stream.getvalue()


def test_suite_has_its_own_images_and_none_that_are_only_made_on_the_way(builders: tuple[BuilderStatus, ...]) -> None:
    by_suite = {one.suite: one for one in builders}
    assert [one.role for one in by_suite["bookworm"].images] == ["builder", "runtime", "environment"]
    assert (by_suite["trixie"].images, by_suite["trixie"].pending) == ((), None)


def test_images_of_several_engines_stand_together_with_the_most_that_any_of_them_lacks() -> None:
    up_to_date = PendingUpdates(checked=NOW + timedelta(days=1), changes=())
    behind = PendingUpdates(checked=NOW, changes=(CHANGE,))
    engines = [
        EngineImages(engine="E1", host="b", images=(image("runtime"),), pending={"bookworm": behind}),
        EngineImages(engine="E2", host="a", images=(image("runtime"),), pending={"bookworm": up_to_date}),
    ]
    bookworm = {one.suite: one for one in described(*engines)}["bookworm"]
    assert [one.host for one in bookworm.images] == ["a", "b"]
    assert bookworm.pending == behind


def test_last_refresh_of_each_engine_is_told_with_its_host_newest_first() -> None:
    def engine(name: str, *, hours_ago: float) -> EngineImages:
        report = RefreshReport(at=NOW - timedelta(hours=hours_ago), images=(REFRESHED, LEFT))
        return EngineImages(engine=name, host=name, images=(), pending={}, refreshed={"bookworm": report})

    by_suite = {one.suite: one for one in described(engine("a", hours_ago=2), engine("b", hours_ago=1))}
    assert [report.host for report in by_suite["bookworm"].refreshes] == ["b", "a"]
    assert by_suite["trixie"].refreshes == ()


def test_refresh_tells_each_change_once_and_no_update_of_an_image_that_was_left() -> None:
    again = replace(REFRESHED, image="runtime")
    assert RefreshReport(at=NOW, images=(REFRESHED, again, LEFT)).changes == (CHANGE,)


def test_list_says_what_is_pending_what_is_outdated_and_how_old_it_is(builders: tuple[BuilderStatus, ...]) -> None:
    assert "1 pending, 1 security (2026-11-24)" in shown(builder_table(builders))
    assert "not checked" in shown(builder_table(builders))
    lines = shown(image_table(builders, now=NOW)).splitlines()
    assert [line.split()[-1] for line in lines if "wheelyard/" in line] == ["outdated", "d", "d"]
    assert all("111.0 MiB" in line for line in lines if "wheelyard/" in line)


@pytest.mark.parametrize(("seconds", "text"), [(5, "now"), (119, "1 min"), (7300, "2 h"), (200000, "2 d")])
def test_age_is_in_the_unit_that_reads_best(seconds: float, text: str) -> None:
    assert format_age(seconds) == text


def test_report_of_a_worker_that_knows_no_refreshes_is_read() -> None:
    form = TypeAdapter(EngineImages)
    document = form.dump_python(EngineImages(engine="E1", host="b", images=(), pending={}), mode="json")
    del document["refreshed"]
    assert form.validate_python(document).refreshed == {}


async def test_api_lists_every_suite_of_the_catalogue_with_its_warning(harness: ApiHarness) -> None:
    answer = await harness.client.get("/v1/builders")
    assert answer.status_code == 200
    listed = {one["suite"]: one for one in answer.json()}
    assert set(listed) == set(parse_catalogue(CATALOGUE.read_text()).suite)
    assert "Debian 11" in listed["bullseye"]["warning"]
    assert (listed["trixie"]["policy"], listed["trixie"]["pending"]) == ("manylinux_2_41", None)


async def test_api_tells_what_a_refresh_changed_in_each_image(harness: ApiHarness) -> None:
    report = RefreshReport(at=NOW, images=(REFRESHED, LEFT))
    engine = EngineImages(engine="E1", host="b", images=(), pending={}, refreshed={"bookworm": report})

    async def builders() -> tuple[BuilderStatus, ...]:
        return described(engine)

    harness.app.state.services = replace(harness.services, builders=builders)
    listed = {one["suite"]: one for one in (await harness.client.get("/v1/builders")).json()}
    [shown_report] = listed["bookworm"]["refreshes"]
    assert (shown_report["host"], datetime.fromisoformat(shown_report["at"])) == ("b", NOW)
    made, left = shown_report["images"]
    changed = {"package": "libssl3", "from_version": "1", "to_version": "2", "is_security": True}
    assert (made["refreshed"], made["changes"], made["problem"]) == (True, [changed], "")
    assert (left["refreshed"], left["changes"], left["problem"]) == (False, [], "libpq5 is gone")


async def test_builders_need_a_token(harness: ApiHarness) -> None:
    harness.client.headers.clear()
    assert (await harness.client.get("/v1/builders")).status_code == 401


def test_image_is_outdated_with_its_builder_and_stands_in_only_while_the_wanted_one_is_not_there() -> None:
    builder = ImageRecord(
        id="b", tags=(), role="builder", definition="old", labels={}, size_bytes=1, created=NOW.isoformat()
    )
    environment = replace(builder, id="e", role="environment", definition="own", labels={"builder": "b", "apt": "zip"})
    fallback = Fallback(definition="new", image="b", reason="the mirror is away", since=NOW)
    images = (builder, environment)
    found = summarise_images(images, current={"new"}, fallbacks=[fallback])
    assert [(one.current, one.stands_in, one.added) for one in found] == [
        (False, "the mirror is away", ""),
        (False, "", "zip"),
    ]
    assert all(one.current for one in summarise_images(images, current={"old"}, fallbacks=[fallback]))
    made = (*images, replace(builder, id="n", definition="new"))
    assert [one.stands_in for one in summarise_images(made, current={"new"}, fallbacks=[fallback])] == ["", "", ""]
