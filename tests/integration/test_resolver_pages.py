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
from tests.integration.resolver_harness import OwnStorage, open_own_storage, simple_sdist, simple_wheel

from wheelyard.adapters.resolver import pages as resolver_pages
from wheelyard.adapters.resolver.own_projects import OwnNames
from wheelyard.adapters.resolver.own_wheels import MixedSource
from wheelyard.adapters.resolver.pages import ResolverPages
from wheelyard.adapters.resolver.releases import UvReleaseResolver
from wheelyard.adapters.resolver.uv import UvResolverOptions
from wheelyard.adapters.resolver.wheels import UvWheelResolver
from wheelyard.adapters.upstream.index import SimpleSourceIndex, SourceIndexOptions
from wheelyard.domain.index.index import Level
from wheelyard.domain.index.placeholder_files import Placeholders
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
class Harness:
    """An upstream index, our own, and uv between them."""

    shop: Shop
    storage: OwnStorage
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
async def harness(tmp_path: Path) -> AsyncIterator[Harness]:
    with open_shop() as shop:
        shop.projects = set()
        harness = make_harness(shop, tmp_path)
        async with harness.source:
            yield harness


def make_harness(shop: Shop, tmp_path: Path, level: Level = Level.PROD) -> Harness:
    storage = open_own_storage(tmp_path / "own", level)
    source = SimpleSourceIndex(
        SourceIndexOptions(cache_dir=tmp_path / "files", index_url=shop.url, disk_floor_bytes=0, page_seconds=0)
    )
    pages = ResolverPages(source=source, own=storage.wheels, names=OwnNames(OwnProjects()), parsers=InlineParsers())
    # A proxy that is not there must not be asked for pages on loopback.
    environment = {**os.environ, "HTTP_PROXY": "http://127.0.0.1:9", "no_proxy": "example.org,127.0.0.1"}
    options = UvResolverOptions(cache_dir=tmp_path / "uv", environment=environment, index_url=shop.url)
    resolver = UvWheelResolver(options, pages)
    return Harness(
        shop=shop,
        storage=storage,
        source=source,
        pages=pages,
        resolver=resolver,
        options=options,
        cache=tmp_path / "uv",
    )


async def releases(harness: Harness, *requirements: str, constraints: tuple[str, ...] = ()) -> dict[str, str]:
    resolver = UvReleaseResolver(harness.options, harness.pages)
    found = await resolver.resolve(requirements, constraints=constraints, stated=(), target=TARGET)
    return {release.project: str(release.version) for release in found}


async def test_release_that_others_need_and_that_has_no_wheel_is_chosen_with_what_it_needs_in_turn(
    harness: Harness,
) -> None:
    harness.wheel("application", "1.0", "deep")
    harness.sdist("deep", "1.0", "deeper>=2")
    harness.sdist("deeper", "1.0")
    harness.sdist("deeper", "2.0")
    assert await releases(harness, "application") == {"application": "1.0", "deep": "1.0", "deeper": "2.0"}


async def test_constraint_that_no_wheel_satisfies_leads_to_a_release_that_can_be_built(harness: Harness) -> None:
    harness.wheel("needed", "2.0")
    harness.sdist("needed", "1.9", "helper")
    harness.wheel("helper", "1.0")
    assert await releases(harness, "needed", constraints=("needed<2",)) == {"needed": "1.9", "helper": "1.0"}
    assert await releases(harness, "needed") == {"needed": "2.0"}, "a wheel goes before a build"


async def test_without_wheels_of_our_own_upstreams_are_chosen_and_sdists_still_stand_in(harness: Harness) -> None:
    await harness.storage.publish("helper-9.0-1.bookworm-py3-none-any.whl", simple_wheel("helper", "9.0"))
    harness.wheel("helper", "1.0")
    harness.sdist("needed", "1.0", "helper")
    pages = ResolverPages(source=harness.source, own=None, names=OwnNames(OwnProjects()), parsers=InlineParsers())
    assert await releases(replace(harness, pages=pages), "needed") == {"needed": "1.0", "helper": "1.0"}
    assert await releases(harness, "needed") == {"needed": "1.0", "helper": "9.0"}


async def test_contradiction_stays_one_with_everything_that_could_be_built(harness: Harness) -> None:
    harness.wheel("application", "1.0", "deep>=3")
    harness.sdist("deep", "1.0")
    with pytest.raises(RequirementsUnsatisfiableError, match="deep>=3"):
        await releases(harness, "application")


async def test_own_wheel_serves_a_release_that_has_none_upstream(harness: Harness) -> None:
    harness.sdist("needed", "1.0")
    harness.wheel("helper", "1.0", "needed")
    content = simple_wheel("needed", "1.0")
    held = await harness.storage.publish("needed-1.0-1.bookworm-py3-none-any.whl", content)
    found = await harness.chosen("helper")
    assert (found["needed"].filename, found["needed"].sha256) == (held.filename, held.sha256)
    assert (found["needed"].own, found["helper"].own) == (True, False)
    path = await MixedSource(harness.source, harness.storage.wheels).fetch(found["needed"])
    assert path.read_bytes() == content
    assert harness.shop.requests("bookworm") == 0


async def test_wheel_whose_metadata_was_not_kept_serves_too(harness: Harness) -> None:
    content = simple_wheel("needed", "1.0", "helper")
    await harness.storage.publish("needed-1.0-1.bookworm-py3-none-any.whl", content, keep_metadata=False)
    harness.wheel("helper", "1.0")
    assert (await harness.chosen("needed")).keys() == {"needed", "helper"}


async def test_upstream_comes_first_and_its_newer_release_is_seen(harness: Harness) -> None:
    harness.wheel("needed", "1.0")
    await harness.storage.publish("needed-1.0-1.bookworm-py3-none-any.whl", simple_wheel("needed", "1.0"))
    assert not (await harness.chosen("needed==1.0"))["needed"].own
    harness.wheel("needed", "2.0")
    await harness.storage.publish("needed-1.5-1.bookworm-py3-none-any.whl", simple_wheel("needed", "1.5"))
    assert str((await harness.chosen("needed"))["needed"].version) == "2.0"
    assert (await harness.chosen("needed<2"))["needed"].own


async def test_wheel_on_staging_is_for_what_goes_to_staging(harness: Harness, tmp_path: Path) -> None:
    staging = make_harness(harness.shop, tmp_path / "staging", Level.STAGING)
    for one in (harness, staging):
        await one.storage.publish(
            "needed-1.0-1.bookworm-py3-none-any.whl", simple_wheel("needed", "1.0"), level=Level.STAGING
        )
    assert (await staging.chosen("needed"))["needed"].own
    with pytest.raises(BuildRequirementsError):
        await harness.chosen("needed")


async def test_requirement_without_a_wheel_is_named_as_what_to_build(harness: Harness) -> None:
    harness.sdist("needed", "1.0")
    harness.sdist("needed", "2.0")
    harness.wheel("helper", "1.0")
    assert await harness.missing("needed", "helper") == {"needed": "2.0"}
    assert await harness.missing("needed", "helper", constraints=("needed<2",)) == {"needed": "1.0"}


async def test_requirements_of_requirements_are_found_in_wheels_and_in_what_sdists_say(harness: Harness) -> None:
    harness.wheel("helper", "1.0", "deep[extra]", "other; python_version < '3'")
    harness.sdist("deep", "1.0", "deeper>=1")
    harness.sdist("deeper", "1.0", "no name at all !", "elsewhere @ http://elsewhere.invalid/x.whl")
    assert await harness.missing("helper") == {"deep": "1.0", "deeper": "1.0"}


async def test_wheel_that_the_target_does_not_take_is_none(harness: Harness) -> None:
    harness.wheel("needed", "1.0", tag="cp313-cp313-win_amd64")
    harness.wheel("needed", "1.0", tag="cp313-cp313-manylinux_2_99_x86_64")
    harness.sdist("needed", "1.0")
    assert await harness.missing("needed") == {"needed": "1.0"}


FREE_THREADED = replace(TARGET, python="3.13t")


async def test_free_threaded_python_gets_the_wheels_of_its_own_build(harness: Harness) -> None:
    """uv itself knows no such Python here, so it would choose those of the other build."""
    linux = "manylinux_2_17_x86_64"
    harness.wheel("needed", "1.0", "helper", tag=f"cp313-cp313t-{linux}")
    harness.wheel("needed", "1.0", tag=f"cp313-cp313-{linux}")
    harness.wheel("needed", "2.0", tag=f"cp313-cp313-{linux}")
    harness.wheel("needed", "3.0", tag=f"cp39-abi3-{linux}")
    harness.wheel("helper", "1.0")
    await harness.storage.publish(f"own-1.0-1.bookworm-cp313-cp313t-{linux}.whl", simple_wheel("own", "1.0"))
    harness.sdist("own", "1.0")
    files = await harness.resolver.resolve(["needed", "own"], target=FREE_THREADED)
    assert sorted(file.filename for file in files) == [
        "helper-1.0-py3-none-any.whl",
        f"needed-1.0-cp313-cp313t-{linux}.whl",
        f"own-1.0-1.bookworm-cp313-cp313t-{linux}.whl",
    ]
    assert {file.filename for file in (await harness.chosen("needed")).values()} == {
        f"needed-3.0-cp39-abi3-{linux}.whl"
    }


async def test_release_without_a_wheel_for_the_free_threaded_build_is_what_to_build(harness: Harness) -> None:
    harness.wheel("needed", "1.0", tag="cp313-cp313-manylinux_2_17_x86_64")
    harness.sdist("needed", "1.0")
    with pytest.raises(WheelsMissingError) as caught:
        await harness.resolver.resolve(["needed"], target=FREE_THREADED)
    assert caught.value.releases == (("needed", "1.0"),)


async def test_old_name_of_an_sdist_is_read_as_its_page_reads_it(harness: Harness) -> None:
    """Before PEP 625, names and versions had dashes in them."""
    harness.shop.projects.add("odd-name")
    harness.shop.add("odd-name-1.0-1.tar.gz", simple_sdist("odd-name", "1.0-1", "deep"))
    harness.sdist("deep", "1.0")
    assert await harness.missing("odd-name") == {"odd-name": "1.0.post1", "deep": "1.0"}


async def test_older_wheel_is_better_than_a_build(harness: Harness) -> None:
    harness.wheel("old", "1.0")
    harness.sdist("old", "2.0")
    harness.sdist("needed", "1.0")
    assert await harness.missing("old", "needed") == {"needed": "1.0"}
    assert await harness.missing("old>=2", "needed") == {"old": "2.0", "needed": "1.0"}


async def test_release_that_could_not_be_built_is_not_named(harness: Harness) -> None:
    harness.sdist("needed", "1.0")
    harness.sdist("needed", "2.0", **{"requires-python": ">=3.99"})
    harness.sdist("needed", "3.0", yanked="broken")
    assert await harness.missing("needed") == {"needed": "1.0"}
    with pytest.raises(BuildRequirementsError, match="needed"):
        await harness.chosen("needed>=4")
    with pytest.raises(BuildRequirementsError, match="nowhere"):
        await harness.chosen("nowhere")


async def test_fault_of_our_own_index_is_told_as_it_is(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    harness.wheel("needed", "1.0")

    async def fail(project: str) -> tuple[()]:
        raise DatabaseUnavailableError(reason=f"away for {project}")

    monkeypatch.setattr(harness.storage.records, "wheels_of", fail)
    with pytest.raises(DatabaseUnavailableError, match="away for needed"):
        await harness.chosen("needed")


async def test_pages_are_for_whoever_is_told_their_address_and_end_with_the_question(harness: Harness) -> None:
    await harness.storage.publish("needed-1.0-1.bookworm-py3-none-any.whl", simple_wheel("needed", "1.0"))
    async with harness.pages.open(TARGET, Placeholders.NONE) as visit, httpx.AsyncClient(trust_env=False) as client:
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


async def test_connection_is_kept_for_the_next_page_and_ends_with_what_nobody_should_ask(harness: Harness) -> None:
    async with harness.pages.open(TARGET, Placeholders.NONE) as visit:
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
    harness: Harness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def never(_: str) -> tuple[()]:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return ()

    monkeypatch.setattr(harness.storage.records, "wheels_of", never)
    async with asyncio.timeout(5), httpx.AsyncClient(trust_env=False) as client:
        async with harness.pages.open(TARGET, Placeholders.NONE) as visit:
            asking = asyncio.create_task(client.get(f"{visit.url}/needed/"))
            await begun.wait()
        assert ended.is_set()
        with pytest.raises(httpx.TransportError):
            await asking
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []


async def test_head_without_end_is_refused(harness: Harness) -> None:
    async with asyncio.timeout(5), harness.pages.open(TARGET, Placeholders.NONE) as visit:
        host, port = visit.url.split("/")[2].split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET {visit.root}/simple/other/ HTTP/1.1\r\nHost: {host}\r\nX: {'x' * 70_000}".encode())
        assert (await reader.readuntil(b"\r\n\r\n")).split()[1] == b"400"
        writer.close()
        await writer.wait_closed()


async def test_pages_of_several_questions_stand_beside_each_other_and_leave_signals_to_the_service(
    harness: Harness,
) -> None:
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    await harness.storage.publish("needed-1.0-1.bookworm-py3-none-any.whl", simple_wheel("needed", "1.0"))
    async with (
        harness.pages.open(TARGET, Placeholders.NONE) as one,
        harness.pages.open(TARGET, Placeholders.NONE) as other,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        assert (await client.get(f"{one.url}/needed/")).json()["files"]
        assert (await client.get(f"{other.url}/other/")).status_code == 404
        assert (list(one.listed), list(other.listed)) == (["needed-1.0-1.bookworm-py3-none-any.whl"], [])
        assert (await client.get(one.url.replace(one.root, other.root) + "/needed/")).status_code == 400
        assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before


async def test_questions_leave_nothing_of_our_pages_in_uvs_cache(harness: Harness) -> None:
    harness.wheel("helper", "1.0")
    await harness.storage.publish("needed-1.0-1.bookworm-py3-none-any.whl", simple_wheel("needed", "1.0"))
    await harness.chosen("needed", "helper")
    before = sorted(path for path in harness.cache.rglob("*") if path.is_file())
    await harness.chosen("helper", "needed>=1")
    assert sorted(path for path in harness.cache.rglob("*") if path.is_file()) == before


async def test_sdist_that_states_thousands_of_requirements_leads_to_no_questions(harness: Harness) -> None:
    harness.sdist("greedy", "1.0", *(f"project-{number}" for number in range(5_000)))
    with pytest.raises(ResolutionTooLargeError, match="states 5000 requirements"):
        await harness.resolver.resolve(["greedy"], target=TARGET)
    with pytest.raises(ResolutionTooLargeError, match="states 5000 requirements"):
        await releases(harness, "greedy")
    assert harness.shop.requests("/simple/project-") == 0


async def test_metadata_that_is_too_large_to_be_read_leads_to_no_questions(harness: Harness) -> None:
    harness.sdist("greedy", "1.0", *(f"project-{number}" for number in range(60_000)))
    assert await harness.missing("greedy") == {"greedy": "1.0"}
    assert harness.shop.requests("/simple/project-") == 0


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
async def test_requirements_that_lead_to_ever_more_projects_are_given_up(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(resolver_pages, "_MOST_PROJECTS", 60)
    add = harness.wheel if kind == "wheel" else harness.sdist
    for number in range(1, 40):
        add(f"p{number}", "1.0", *(f"p{one}" for one in range(number * 5, number * 5 + 50)))
    with pytest.raises(ResolutionTooLargeError, match="more projects, and 60 are allowed"):
        await releases(harness, "p1")
    assert len({path for path in harness.shop.seen if path.startswith("/simple/")}) <= 60


async def test_releases_without_end_whose_sdists_would_be_read_are_given_up(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver_pages, "_MOST_SDISTS", 10)
    for number in range(40):
        harness.sdist("endless", f"1.{number}", f"pinned=={number}")
    harness.wheel("pinned", "100")
    with pytest.raises(ResolutionTooLargeError, match="more sdists would have to be read, and 10 are allowed"):
        await releases(harness, "endless", "pinned")
    assert harness.shop.requests("endless-1.") <= 10
