"""uv with pages of our own before upstream's: our index comes second, and what has no wheel is named as what to build.

The upstream index is a test's own, on loopback.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from tests.contract.samples import TARGET
from tests.fakes.parsers import InlineParsers
from tests.integration.loopback_index import Shop, open_shop
from tests.integration.resolver_stand import OwnShelf, open_own_shelf, simple_sdist, simple_wheel

from wheelyard.adapters.devpi.own_wheels import MixedSource
from wheelyard.adapters.resolver import pages as resolver_pages
from wheelyard.adapters.resolver.pages import ResolverPages
from wheelyard.adapters.resolver.releases import UvReleaseResolver
from wheelyard.adapters.resolver.uv import UvResolverOptions
from wheelyard.adapters.resolver.wheels import UvWheelResolver
from wheelyard.adapters.upstream.index import SimpleSourceIndex, SourceIndexOptions
from wheelyard.domain.index.index import Level
from wheelyard.domain.index.placeholder_files import StandIns
from wheelyard.domain.packaging.own_projects import OwnProjects
from wheelyard.domain.packaging.release import IndexFile
from wheelyard.errors import (
    BuildRequirementsError,
    DatabaseUnavailableError,
    RequirementsUnsatisfiableError,
    ResolutionTooLargeError,
    WheelsMissingError,
)


@dataclass(frozen=True, kw_only=True)
class Stand:
    """An upstream index, our own, and uv between them."""

    shop: Shop
    shelf: OwnShelf
    source: SimpleSourceIndex
    pages: ResolverPages
    resolver: UvWheelResolver
    options: UvResolverOptions
    cache: Path

    def wheel(self, name: str, version: str, *requires: str, tag: str = "py3-none-any", **facts: object) -> None:
        self.shop.projects.add(name)
        self.shop.add(f"{name}-{version}-{tag}.whl", simple_wheel(name, version, *requires), **facts)

    def sdist(self, name: str, version: str, *requires: str, **facts: object) -> None:
        self.shop.projects.add(name)
        self.shop.add(f"{name}-{version}.tar.gz", simple_sdist(name, version, *requires), **facts)

    async def chosen(self, *requirements: str, constraints: tuple[str, ...] = ()) -> dict[str, IndexFile]:
        files = await self.resolver.resolve(requirements, target=TARGET, constraints=constraints)
        return {file.project: file for file in files}

    async def missing(self, *requirements: str, constraints: tuple[str, ...] = ()) -> dict[str, str]:
        with pytest.raises(WheelsMissingError) as caught:
            await self.resolver.resolve(requirements, target=TARGET, constraints=constraints)
        return dict(caught.value.releases)


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    with open_shop() as shop:
        shop.projects = set()
        stand = make_stand(shop, tmp_path)
        async with stand.source:
            yield stand


def make_stand(shop: Shop, tmp_path: Path, level: Level = Level.PROD) -> Stand:
    shelf = open_own_shelf(tmp_path / "own", level)
    source = SimpleSourceIndex(
        SourceIndexOptions(cache_dir=tmp_path / "files", index_url=shop.url, disk_floor_bytes=0, page_seconds=0)
    )
    pages = ResolverPages(source=source, own=shelf.wheels, own_projects=OwnProjects(), parsers=InlineParsers())
    # A proxy that is not there must not be asked for pages on loopback.
    environment = {**os.environ, "HTTP_PROXY": "http://127.0.0.1:9", "no_proxy": "example.org,127.0.0.1"}
    options = UvResolverOptions(cache_dir=tmp_path / "uv", environment=environment, index_url=shop.url)
    resolver = UvWheelResolver(options, pages)
    return Stand(
        shop=shop, shelf=shelf, source=source, pages=pages, resolver=resolver, options=options, cache=tmp_path / "uv"
    )


async def releases(stand: Stand, *requirements: str, constraints: tuple[str, ...] = ()) -> dict[str, str]:
    resolver = UvReleaseResolver(stand.options, stand.pages)
    found = await resolver.resolve(requirements, constraints=constraints, stated=(), target=TARGET)
    return {release.project: str(release.version) for release in found}


async def test_release_that_others_need_and_that_has_no_wheel_is_chosen_with_what_it_needs_in_turn(
    stand: Stand,
) -> None:
    stand.wheel("application", "1.0", "deep")
    stand.sdist("deep", "1.0", "deeper>=2")
    stand.sdist("deeper", "1.0")
    stand.sdist("deeper", "2.0")
    assert await releases(stand, "application") == {"application": "1.0", "deep": "1.0", "deeper": "2.0"}


async def test_constraint_that_no_wheel_satisfies_leads_to_a_release_that_can_be_built(stand: Stand) -> None:
    stand.wheel("needed", "2.0")
    stand.sdist("needed", "1.9", "helper")
    stand.wheel("helper", "1.0")
    assert await releases(stand, "needed", constraints=("needed<2",)) == {"needed": "1.9", "helper": "1.0"}
    assert await releases(stand, "needed") == {"needed": "2.0"}, "a wheel goes before a build"


async def test_without_wheels_of_our_own_upstreams_are_chosen_and_sdists_still_stand_in(stand: Stand) -> None:
    await stand.shelf.publish("helper-9.0-1.bookworm-py3-none-any.whl", simple_wheel("helper", "9.0"))
    stand.wheel("helper", "1.0")
    stand.sdist("needed", "1.0", "helper")
    pages = ResolverPages(source=stand.source, own=None, own_projects=OwnProjects(), parsers=InlineParsers())
    assert await releases(replace(stand, pages=pages), "needed") == {"needed": "1.0", "helper": "1.0"}
    assert await releases(stand, "needed") == {"needed": "1.0", "helper": "9.0"}


async def test_contradiction_stays_one_with_everything_that_could_be_built(stand: Stand) -> None:
    stand.wheel("application", "1.0", "deep>=3")
    stand.sdist("deep", "1.0")
    with pytest.raises(RequirementsUnsatisfiableError, match="deep>=3"):
        await releases(stand, "application")


async def test_own_wheel_serves_a_release_that_has_none_upstream(stand: Stand) -> None:
    stand.sdist("needed", "1.0")
    stand.wheel("helper", "1.0", "needed")
    content = simple_wheel("needed", "1.0")
    held = await stand.shelf.publish("needed-1.0-1.bookworm-py3-none-any.whl", content)
    found = await stand.chosen("helper")
    assert (found["needed"].filename, found["needed"].sha256) == (held.filename, held.sha256)
    assert (found["needed"].own, found["helper"].own) == (True, False)
    path = await MixedSource(stand.source, stand.shelf.wheels).fetch(found["needed"])
    assert path.read_bytes() == content
    assert stand.shop.requests("bookworm") == 0


async def test_wheel_whose_metadata_was_not_kept_serves_too(stand: Stand) -> None:
    content = simple_wheel("needed", "1.0", "helper")
    await stand.shelf.publish("needed-1.0-1.bookworm-py3-none-any.whl", content, keep_metadata=False)
    stand.wheel("helper", "1.0")
    assert (await stand.chosen("needed")).keys() == {"needed", "helper"}


async def test_upstream_comes_first_and_its_newer_release_is_seen(stand: Stand) -> None:
    stand.wheel("needed", "1.0")
    await stand.shelf.publish("needed-1.0-1.bookworm-py3-none-any.whl", simple_wheel("needed", "1.0"))
    assert not (await stand.chosen("needed==1.0"))["needed"].own
    stand.wheel("needed", "2.0")
    await stand.shelf.publish("needed-1.5-1.bookworm-py3-none-any.whl", simple_wheel("needed", "1.5"))
    assert str((await stand.chosen("needed"))["needed"].version) == "2.0"
    assert (await stand.chosen("needed<2"))["needed"].own


async def test_wheel_on_staging_is_for_what_goes_to_staging(stand: Stand, tmp_path: Path) -> None:
    staging = make_stand(stand.shop, tmp_path / "staging", Level.STAGING)
    for one in (stand, staging):
        await one.shelf.publish(
            "needed-1.0-1.bookworm-py3-none-any.whl", simple_wheel("needed", "1.0"), level=Level.STAGING
        )
    assert (await staging.chosen("needed"))["needed"].own
    with pytest.raises(BuildRequirementsError):
        await stand.chosen("needed")


async def test_requirement_without_a_wheel_is_named_as_what_to_build(stand: Stand) -> None:
    stand.sdist("needed", "1.0")
    stand.sdist("needed", "2.0")
    stand.wheel("helper", "1.0")
    assert await stand.missing("needed", "helper") == {"needed": "2.0"}
    assert await stand.missing("needed", "helper", constraints=("needed<2",)) == {"needed": "1.0"}


async def test_requirements_of_requirements_are_found_in_wheels_and_in_what_sdists_say(stand: Stand) -> None:
    stand.wheel("helper", "1.0", "deep[extra]", "other; python_version < '3'")
    stand.sdist("deep", "1.0", "deeper>=1")
    stand.sdist("deeper", "1.0", "no name at all !", "elsewhere @ http://elsewhere.invalid/x.whl")
    assert await stand.missing("helper") == {"deep": "1.0", "deeper": "1.0"}


async def test_wheel_that_the_target_does_not_take_is_none(stand: Stand) -> None:
    stand.wheel("needed", "1.0", tag="cp313-cp313-win_amd64")
    stand.wheel("needed", "1.0", tag="cp313-cp313-manylinux_2_99_x86_64")
    stand.sdist("needed", "1.0")
    assert await stand.missing("needed") == {"needed": "1.0"}


async def test_old_name_of_an_sdist_is_read_as_its_page_reads_it(stand: Stand) -> None:
    """Before PEP 625, names and versions had dashes in them."""
    stand.shop.projects.add("odd-name")
    stand.shop.add("odd-name-1.0-1.tar.gz", simple_sdist("odd-name", "1.0-1", "deep"))
    stand.sdist("deep", "1.0")
    assert await stand.missing("odd-name") == {"odd-name": "1.0.post1", "deep": "1.0"}


async def test_older_wheel_is_better_than_a_build(stand: Stand) -> None:
    stand.wheel("old", "1.0")
    stand.sdist("old", "2.0")
    stand.sdist("needed", "1.0")
    assert await stand.missing("old", "needed") == {"needed": "1.0"}
    assert await stand.missing("old>=2", "needed") == {"old": "2.0", "needed": "1.0"}


async def test_release_that_could_not_be_built_is_not_named(stand: Stand) -> None:
    stand.sdist("needed", "1.0")
    stand.sdist("needed", "2.0", **{"requires-python": ">=3.99"})
    stand.sdist("needed", "3.0", yanked="broken")
    assert await stand.missing("needed") == {"needed": "1.0"}
    with pytest.raises(BuildRequirementsError, match="needed"):
        await stand.chosen("needed>=4")
    with pytest.raises(BuildRequirementsError, match="nowhere"):
        await stand.chosen("nowhere")


async def test_fault_of_our_own_index_is_told_as_it_is(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    stand.wheel("needed", "1.0")

    async def fail(project: str) -> tuple[()]:
        raise DatabaseUnavailableError(reason=f"away for {project}")

    monkeypatch.setattr(stand.shelf.records, "wheels_of", fail)
    with pytest.raises(DatabaseUnavailableError, match="away for needed"):
        await stand.chosen("needed")


async def test_pages_are_for_whoever_is_told_their_address_and_end_with_the_question(stand: Stand) -> None:
    await stand.shelf.publish("needed-1.0-1.bookworm-py3-none-any.whl", simple_wheel("needed", "1.0"))
    async with stand.pages.open(TARGET, StandIns.NONE) as visit, httpx.AsyncClient(trust_env=False) as client:
        answers = [
            (await client.get(f"{visit.url}/needed/")).status_code,
            (await client.get(f"{visit.url}/other/")).status_code,
            (await client.get(visit.url.replace(visit.root, "/guessed") + "/needed/")).status_code,
            (await client.post(f"{visit.url}/needed/")).status_code,
            (await client.get(visit.url.replace("/simple", "/files/../../etc/passwd.metadata"))).status_code,
        ]
        address = visit.url
        assert answers == [200, 404, 400, 400, 400]
        with pytest.raises(httpx.ConnectError):
            await client.get(f"{address.rpartition(':')[0]}:1/")
    async with httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(f"{address}/needed/")


async def test_connection_is_kept_for_the_next_page_and_ends_with_what_nobody_should_ask(stand: Stand) -> None:
    async with stand.pages.open(TARGET, StandIns.NONE) as visit:
        host, port = visit.url.split("/")[2].split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        for method, status in (("GET", b"404"), ("GET", b"404"), ("POST", b"400")):
            writer.write(f"{method} {visit.root}/simple/other/ HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.split()[1] == status
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


async def test_page_that_is_still_made_when_the_question_ends_ends_with_it_in_silence(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def never(_: str) -> tuple[()]:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return ()

    monkeypatch.setattr(stand.shelf.records, "wheels_of", never)
    async with asyncio.timeout(5), httpx.AsyncClient(trust_env=False) as client:
        async with stand.pages.open(TARGET, StandIns.NONE) as visit:
            asking = asyncio.create_task(client.get(f"{visit.url}/needed/"))
            await begun.wait()
        assert ended.is_set()
        with pytest.raises(httpx.TransportError):
            await asking
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []


async def test_head_without_end_is_refused(stand: Stand) -> None:
    async with asyncio.timeout(5), stand.pages.open(TARGET, StandIns.NONE) as visit:
        host, port = visit.url.split("/")[2].split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET {visit.root}/simple/other/ HTTP/1.1\r\nHost: {host}\r\nX: {'x' * 70_000}".encode())
        assert (await reader.readuntil(b"\r\n\r\n")).split()[1] == b"400"
        writer.close()
        await writer.wait_closed()


async def test_pages_of_several_questions_stand_beside_each_other_and_leave_signals_to_the_service(
    stand: Stand,
) -> None:
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    await stand.shelf.publish("needed-1.0-1.bookworm-py3-none-any.whl", simple_wheel("needed", "1.0"))
    async with (
        stand.pages.open(TARGET, StandIns.NONE) as one,
        stand.pages.open(TARGET, StandIns.NONE) as other,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        assert (await client.get(f"{one.url}/needed/")).json()["files"]
        assert (await client.get(f"{other.url}/other/")).status_code == 404
        assert (list(one.listed), list(other.listed)) == (["needed-1.0-1.bookworm-py3-none-any.whl"], [])
        assert (await client.get(one.url.replace(one.root, other.root) + "/needed/")).status_code == 400
        assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before


async def test_questions_leave_nothing_of_our_pages_in_uvs_cache(stand: Stand) -> None:
    stand.wheel("helper", "1.0")
    await stand.shelf.publish("needed-1.0-1.bookworm-py3-none-any.whl", simple_wheel("needed", "1.0"))
    await stand.chosen("needed", "helper")
    before = sorted(path for path in stand.cache.rglob("*") if path.is_file())
    await stand.chosen("helper", "needed>=1")
    assert sorted(path for path in stand.cache.rglob("*") if path.is_file()) == before


async def test_sdist_that_states_thousands_of_requirements_leads_to_no_questions(stand: Stand) -> None:
    stand.sdist("greedy", "1.0", *(f"project-{number}" for number in range(5_000)))
    with pytest.raises(ResolutionTooLargeError, match="states 5000 requirements"):
        await stand.resolver.resolve(["greedy"], target=TARGET)
    with pytest.raises(ResolutionTooLargeError, match="states 5000 requirements"):
        await releases(stand, "greedy")
    assert stand.shop.requests("/simple/project-") == 0


async def test_metadata_that_is_too_large_to_be_read_leads_to_no_questions(stand: Stand) -> None:
    stand.sdist("greedy", "1.0", *(f"project-{number}" for number in range(60_000)))
    assert await stand.missing("greedy") == {"greedy": "1.0"}
    assert stand.shop.requests("/simple/project-") == 0


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
async def test_requirements_that_lead_to_ever_more_projects_are_given_up(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(resolver_pages, "_MOST_PROJECTS", 60)
    add = stand.wheel if kind == "wheel" else stand.sdist
    for number in range(1, 40):
        add(f"p{number}", "1.0", *(f"p{one}" for one in range(number * 5, number * 5 + 50)))
    with pytest.raises(ResolutionTooLargeError, match="more projects, and 60 are allowed"):
        await releases(stand, "p1")
    assert len({path for path in stand.shop.seen if path.startswith("/simple/")}) <= 60


async def test_releases_without_end_whose_sdists_would_be_read_are_given_up(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver_pages, "_MOST_SDISTS", 10)
    for number in range(40):
        stand.sdist("endless", f"1.{number}", f"pinned=={number}")
    stand.wheel("pinned", "100")
    with pytest.raises(ResolutionTooLargeError, match="more sdists would have to be read, and 10 are allowed"):
        await releases(stand, "endless", "pinned")
    assert stand.shop.requests("endless-1.") <= 10
