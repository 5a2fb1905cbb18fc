"""The organisation's own projects come from brought sdists, and upstream is asked for none of them."""

from dataclasses import replace
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from tests.fakes.own_projects import own_source
from tests.fakes.sdists import MemorySdists
from tests.fakes.sources import MemorySourceIndex
from tests.unit.wheel_harness import WheelHarness

from wheelyard.adapters.resolver.own_projects import OwnNames
from wheelyard.domain.packaging.own_projects import OwnProjects
from wheelyard.domain.packaging.release import IndexFile
from wheelyard.errors import DatabaseUnavailableError, DownloadFailedError, HashMismatchError, OwnProjectError

DEMO = canonicalize_name("demo")
SDIST = "demo-1.0.tar.gz"


@pytest.fixture
def harness() -> WheelHarness:
    return WheelHarness()


@pytest.fixture
def strangers(tmp_path: Path) -> MemorySourceIndex:
    """An upstream index on which a stranger has our names."""
    source = MemorySourceIndex(tmp_path / "upstream")
    for name in ("demo-9.0.tar.gz", "demo-9.0-py3-none-any.whl", "acme_core-9.0.tar.gz", "other-1.0.tar.gz"):
        source.add(name, b"a stranger's")
    return source


async def test_page_of_a_brought_project_lists_its_sdists_alone(harness: WheelHarness, tmp_path: Path) -> None:
    brought = [harness.bring(SDIST), harness.bring("demo-1.1.tar.gz")]
    page = await own_source(harness.state, tmp_path).project(DEMO)
    assert (page.project, page.files) == (DEMO, tuple(one.as_file() for one in brought))


async def test_own_project_without_an_sdist_is_refused(harness: WheelHarness, tmp_path: Path) -> None:
    source = own_source(harness.state, tmp_path, patterns=("acme-*",))
    with pytest.raises(OwnProjectError, match=r"acme-core.*acme-\*"):
        await source.project(canonicalize_name("Acme.Core"))
    harness.put_sdist(SDIST)
    await harness.wheels.delete(SDIST, by="bob")
    with pytest.raises(OwnProjectError, match="an sdist of it was brought"):
        await source.project(DEMO)


async def test_own_pattern_has_its_brought_sdists(harness: WheelHarness, tmp_path: Path) -> None:
    harness.bring("acme_core-1.0.tar.gz")
    page = await own_source(harness.state, tmp_path, patterns=("acme-*",)).project(canonicalize_name("acme-core"))
    assert [file.filename for file in page.files] == ["acme_core-1.0.tar.gz"]


async def test_other_projects_are_upstreams(
    harness: WheelHarness, tmp_path: Path, strangers: MemorySourceIndex
) -> None:
    harness.bring(SDIST)
    source = own_source(harness.state, tmp_path, patterns=("acme-*",), upstream=strangers)
    (file,) = (await source.project(canonicalize_name("other"))).files
    assert (await source.fetch(file)).read_bytes() == b"a stranger's"
    assert dict(strangers.calls) == {"project": 1, "fetch": 1}


async def test_file_that_was_chosen_before_its_project_was_ours_is_not_fetched(
    harness: WheelHarness, tmp_path: Path, strangers: MemorySourceIndex
) -> None:
    source = own_source(harness.state, tmp_path, upstream=strangers)
    files = (await source.project(DEMO)).files
    assert len(files) == 2
    harness.bring(SDIST)
    strangers.calls.clear()
    for file in files:
        with pytest.raises(OwnProjectError):
            await source.fetch(file)
    assert not strangers.calls


async def test_sdist_is_fetched_where_its_bytes_are(harness: WheelHarness, tmp_path: Path) -> None:
    asked: list[IndexFile] = []

    async def fetch(file: IndexFile) -> Path:
        asked.append(file)
        return tmp_path

    source = own_source(harness.state, tmp_path, held=harness.prod, fetch=fetch)
    file = harness.bring(SDIST, b"sdist").as_file()
    assert await source.fetch(file) == tmp_path
    assert [(one.url, one.sha256) for one in asked] == [(f"upload:{SDIST}", file.sha256)]
    harness.put_sdist(SDIST, b"sdist")
    assert (await source.fetch(file)).read_bytes() == b"sdist", "a build that was ordered before finds it on our index"
    assert len(asked) == 1
    harness.hold("demo-2.0.tar.gz", b"altered")
    other = harness.put_sdist("demo-2.0.tar.gz", b"sdist 2")
    harness.hold("demo-2.0.tar.gz", b"altered")
    with pytest.raises(HashMismatchError):
        await source.fetch(replace(file, filename=other.filename, url="sdist:demo-2.0.tar.gz", sha256=other.sha256))


async def test_wheel_of_our_own_project_is_fetched_where_it_was_brought(harness: WheelHarness, tmp_path: Path) -> None:
    async def fetch(file: IndexFile) -> Path:
        return tmp_path / file.filename

    source = own_source(harness.state, tmp_path, patterns=("demo",), fetch=fetch)
    wheel = replace(harness.bring(SDIST).as_file(), filename="demo-1.0-py3-none-any.whl", url="upload:7", kind="wheel")
    assert await source.fetch(wheel) == tmp_path / wheel.filename


async def test_sdist_that_nobody_has_is_a_failed_download(harness: WheelHarness, tmp_path: Path) -> None:
    source = own_source(harness.state, tmp_path)
    file = harness.bring(SDIST).as_file()
    with pytest.raises(DownloadFailedError, match="nothing here fetches from such a place"):
        await source.fetch(file)
    with pytest.raises(DownloadFailedError, match="the sdists that were brought"):
        await source.fetch(replace(file, filename="demo-3.0.tar.gz"))


async def test_nothing_is_asked_of_upstream_while_the_database_does_not_say_whose_a_name_is(
    harness: WheelHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(_: MemorySdists, project: str) -> bool:
        raise DatabaseUnavailableError(reason=project)

    monkeypatch.setattr(MemorySdists, "is_own", down)
    source = own_source(harness.state, tmp_path)
    with pytest.raises(DatabaseUnavailableError):
        await source.project(DEMO)
    with pytest.raises(DatabaseUnavailableError):
        await source.fetch(replace(harness.bring(SDIST).as_file(), url="http://upstream.invalid/demo-1.0.tar.gz"))


async def test_name_is_ours_as_long_as_the_database_says_so(harness: WheelHarness) -> None:
    names = OwnNames(OwnProjects(), MemorySdists(harness.state))
    assert await names.refusal_of(DEMO) is None
    harness.bring(SDIST)
    with pytest.raises(OwnProjectError):
        await names.refuse(DEMO)
    harness.state.sdists.clear()
    assert await names.refusal_of(DEMO) is None
