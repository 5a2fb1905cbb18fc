"""Builders as the API and the command line show them: the catalogue beside a host's images."""

import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console
from tests.unit.api_stand import CATALOGUE, ApiStand, api_stand

from wheelyard.cli.builders_list import builder_table, format_age, image_table
from wheelyard.domain.builder_status import BuilderStatus, ImageSummary, PendingUpdates, describe_builders
from wheelyard.domain.catalogue import parse_catalogue
from wheelyard.domain.packages import PackageChange

NOW = datetime(2026, 11, 24, tzinfo=UTC)
CHANGE = PackageChange(package="libssl3", from_version="1", to_version="2", is_security=True)


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
    images = [image("runtime"), image("environment"), image("builder", current=False), image("builder", "sarge")]
    pending = {"bookworm": PendingUpdates(checked=NOW, changes=(CHANGE,))}
    return describe_builders(parse_catalogue(CATALOGUE.read_text()), images, pending)


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[ApiStand]:
    async with api_stand(tmp_path) as made:
        yield made


def shown(*tables: object) -> str:
    stream = io.StringIO()
    Console(file=stream, width=200).print(*tables)
    return stream.getvalue()


def test_suite_has_its_own_builders_and_runtimes_only(builders: tuple[BuilderStatus, ...]) -> None:
    by_suite = {one.suite: one for one in builders}
    assert [one.role for one in by_suite["bookworm"].images] == ["builder", "runtime"]
    assert (by_suite["trixie"].images, by_suite["trixie"].pending) == ((), None)


def test_list_says_what_is_pending_what_is_outdated_and_how_old_it_is(builders: tuple[BuilderStatus, ...]) -> None:
    assert "1 pending, 1 of security (2026-11-24)" in shown(builder_table(builders))
    assert "not looked for" in shown(builder_table(builders))
    lines = shown(image_table(builders, now=NOW)).splitlines()
    assert [line.split()[-1] for line in lines if "wheelyard/" in line] == ["outdated", "d"]
    assert all("111.0 MiB" in line for line in lines if "wheelyard/" in line)


@pytest.mark.parametrize(("seconds", "text"), [(5, "now"), (119, "1 min"), (7300, "2 h"), (200000, "2 d")])
def test_age_is_in_the_unit_that_reads_best(seconds: float, text: str) -> None:
    assert format_age(seconds) == text


async def test_api_lists_every_suite_of_the_catalogue_with_its_warning(stand: ApiStand) -> None:
    answer = await stand.client.get("/v1/builders")
    assert answer.status_code == 200
    listed = {one["suite"]: one for one in answer.json()}
    assert set(listed) == set(parse_catalogue(CATALOGUE.read_text()).suite)
    assert "Debian 11" in listed["bullseye"]["warning"]
    assert (listed["trixie"]["policy"], listed["trixie"]["pending"]) == ("manylinux_2_41", None)


async def test_builders_need_a_token(stand: ApiStand) -> None:
    stand.client.headers.clear()
    assert (await stand.client.get("/v1/builders")).status_code == 401
