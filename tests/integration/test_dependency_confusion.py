"""An upstream index that offers the organisation's own names gets none of them into a build, and is asked for none.

The index is a test's own, on loopback; it offers an sdist and a wheel of ``acme-core``, and ``harmless``, whose wheel
requires it.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from tests.contract.samples import BEGINNING, TARGET
from tests.fakes.own_projects import own_source
from tests.fakes.parsers import InlineParsers
from tests.fakes.records import MemoryState
from tests.fakes.sdists import MemorySdists
from tests.integration.loopback_index import Shop, open_shop
from tests.integration.resolver_harness import (
    OwnStorage,
    metadata_text,
    open_own_storage,
    simple_sdist,
    simple_wheel,
)

from wheelyard.adapters.resolver.own_projects import OwnNames
from wheelyard.adapters.resolver.pages import ResolverPages
from wheelyard.adapters.resolver.releases import UvReleaseResolver
from wheelyard.adapters.resolver.uv import UvResolverOptions
from wheelyard.adapters.resolver.wheels import UvWheelResolver
from wheelyard.adapters.upstream.index import SimpleSourceIndex, SourceIndexOptions
from wheelyard.domain.index.sdists import BroughtSdist
from wheelyard.domain.packaging.own_projects import OwnProjects
from wheelyard.domain.packaging.release import IndexFile
from wheelyard.errors import BuildRequirementsError, OwnProjectError, WheelsMissingError

OWN = OwnProjects.of(["acme-*"])
CORE = canonicalize_name("acme-core")


@pytest.fixture
def shop() -> Iterator[Shop]:
    with open_shop() as shop:
        shop.projects = {"acme-core", "harmless"}
        shop.add("acme_core-1.0.tar.gz", b"an sdist of a stranger's")
        shop.add("acme_core-9.0-py3-none-any.whl", simple_wheel("acme_core", "9.0"))
        shop.add("harmless-1.0-py3-none-any.whl", simple_wheel("harmless", "1.0", "acme-core"))
        yield shop


@pytest.fixture
def storage(tmp_path: Path) -> OwnStorage:
    return open_own_storage(tmp_path / "own")


@pytest.fixture
def pages(shop: Shop, storage: OwnStorage, tmp_path: Path) -> ResolverPages:
    return ResolverPages(
        source=source(shop, tmp_path, OWN), own=storage.wheels, names=OwnNames(OWN), parsers=InlineParsers()
    )


@pytest.fixture
def resolver(shop: Shop, pages: ResolverPages, tmp_path: Path) -> UvWheelResolver:
    return UvWheelResolver(uv_options(shop, tmp_path), pages)


def uv_options(shop: Shop, tmp_path: Path) -> UvResolverOptions:
    return UvResolverOptions(cache_dir=tmp_path / "uv", environment=os.environ, index_url=shop.url)


def source(shop: Shop, tmp_path: Path, own: OwnProjects) -> SimpleSourceIndex:
    cache = tmp_path / "files"
    return SimpleSourceIndex(
        SourceIndexOptions(cache_dir=cache, index_url=shop.url, own_projects=own, disk_floor_bytes=0)
    )


async def test_own_sdist_is_neither_looked_up_nor_fetched(shop: Shop, tmp_path: Path) -> None:
    async with source(shop, tmp_path, OwnProjects()) as careless:
        files = (await careless.project(CORE)).files
    assert {file.kind for file in files} == {"sdist", "wheel"}
    shop.seen.clear()
    async with source(shop, tmp_path, OWN) as careful:
        with pytest.raises(OwnProjectError):
            await careful.project(CORE)
        for file in files:
            with pytest.raises(OwnProjectError):
                await careful.fetch(file)
    assert shop.seen == []


@pytest.mark.parametrize("requirement", ["Acme.Core>=1", "harmless"])
async def test_upstream_is_never_asked_for_an_own_name_however_it_is_required(
    shop: Shop, resolver: UvWheelResolver, requirement: str
) -> None:
    with pytest.raises(OwnProjectError, match="acme-core"):
        await resolver.resolve([requirement], target=TARGET)
    assert (shop.requests("acme"), shop.requests("harmless") > 0) == (0, requirement == "harmless")


@pytest.mark.parametrize("requirement", ["Acme.Core>=1", "harmless"])
async def test_own_name_is_met_by_our_own_index_alone(
    shop: Shop, storage: OwnStorage, resolver: UvWheelResolver, requirement: str
) -> None:
    held = await storage.publish("acme_core-1.0-1.bookworm-py3-none-any.whl", simple_wheel("acme_core", "1.0"))
    found = {file.project: file for file in await resolver.resolve([requirement], target=TARGET)}
    assert (str(found[CORE].version), found[CORE].sha256, found[CORE].own) == ("1.0", held.sha256, True)
    assert shop.requests("acme") == 0


async def test_releases_of_an_application_are_not_asked_for_upstream_either(
    shop: Shop, storage: OwnStorage, pages: ResolverPages, tmp_path: Path
) -> None:
    resolver = UvReleaseResolver(uv_options(shop, tmp_path), pages)
    with pytest.raises(OwnProjectError, match="acme-core"):
        await resolver.resolve(["harmless"], constraints=[], stated=[], target=TARGET)
    await storage.publish("acme_core-1.0-1.bookworm-py3-none-any.whl", simple_wheel("acme_core", "1.0"))
    releases = await resolver.resolve(["harmless"], constraints=[], stated=[], target=TARGET)
    assert {(one.project, str(one.version)) for one in releases} == {("acme-core", "1.0"), ("harmless", "1.0")}
    assert shop.requests("acme") == 0


async def test_same_requirement_is_met_where_the_name_is_nobodys(
    shop: Shop, storage: OwnStorage, tmp_path: Path
) -> None:
    nobodys = ResolverPages(
        source=source(shop, tmp_path, OwnProjects()),
        own=storage.wheels,
        names=OwnNames(OwnProjects()),
        parsers=InlineParsers(),
    )
    found = await UvWheelResolver(uv_options(shop, tmp_path), nobodys).resolve(["harmless"], target=TARGET)
    assert {file.project: str(file.version) for file in found} == {"acme-core": "9.0", "harmless": "1.0"}


def brought(state: MemoryState, folder: Path) -> BroughtSdist:
    """Bring an sdist of ``acme-core``; no pattern of the operator has the name."""
    content = simple_sdist("acme_core", "1.0")
    (folder / "acme_core-1.0.tar.gz").write_bytes(content)
    sdist = BroughtSdist.of(
        "acme_core-1.0.tar.gz",
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        metadata=metadata_text("acme_core", "1.0").encode(),
        url="upload:acme_core",
        brought_by="alice",
        brought_at=BEGINNING,
    )
    state.sdists[sdist.filename] = sdist
    return sdist


@pytest.fixture
def own_pages(shop: Shop, storage: OwnStorage, tmp_path: Path) -> ResolverPages:
    """Pages of an organisation that has brought ``acme-core``, and has no patterns."""
    state = storage.records._state
    brought(state, tmp_path)

    async def fetch(file: IndexFile) -> Path:
        return tmp_path / file.filename

    upstream = source(shop, tmp_path, OwnProjects())
    return ResolverPages(
        source=own_source(state, tmp_path, upstream=upstream, held=storage.held, fetch=fetch),
        own=storage.wheels,
        names=OwnNames(OwnProjects(), MemorySdists(state)),
        parsers=InlineParsers(),
    )


@pytest.mark.parametrize("requirement", ["Acme.Core>=1", "harmless"])
async def test_project_of_a_brought_sdist_is_built_from_that_and_not_asked_for_upstream(
    shop: Shop, own_pages: ResolverPages, tmp_path: Path, requirement: str
) -> None:
    with pytest.raises(WheelsMissingError) as caught:
        await UvWheelResolver(uv_options(shop, tmp_path), own_pages).resolve([requirement], target=TARGET)
    assert caught.value.releases == (("acme-core", "1.0"),)
    releases = await UvReleaseResolver(uv_options(shop, tmp_path), own_pages).resolve(
        [requirement], constraints=[], stated=[], target=TARGET
    )
    assert ("acme-core", "1.0") in {(one.project, str(one.version)) for one in releases}
    assert shop.requests("acme") == 0


async def test_project_of_a_brought_sdist_is_met_by_our_wheel_of_it(
    shop: Shop, storage: OwnStorage, own_pages: ResolverPages, tmp_path: Path
) -> None:
    held = await storage.publish("acme_core-1.0-1.bookworm-py3-none-any.whl", simple_wheel("acme_core", "1.0"))
    resolver = UvWheelResolver(uv_options(shop, tmp_path), own_pages)
    found = {file.project: file for file in await resolver.resolve(["harmless"], target=TARGET)}
    assert (found[CORE].sha256, found[CORE].own) == (held.sha256, True)
    assert shop.requests("acme") == 0


async def test_release_that_was_not_brought_is_refused_and_not_asked_for_upstream(
    shop: Shop, own_pages: ResolverPages, tmp_path: Path
) -> None:
    resolver = UvWheelResolver(uv_options(shop, tmp_path), own_pages)
    with pytest.raises((OwnProjectError, BuildRequirementsError), match=r"acme-core"):
        await resolver.resolve(["acme-core==9.0"], target=TARGET)
    assert shop.requests("acme") == 0
