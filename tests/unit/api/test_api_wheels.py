"""Wheels and projects over HTTP: look, yank, promote, delete, check."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.api_harness import ApiHarness, api_harness, assert_problem
from tests.unit.wheel_harness import WheelHarness, entry_for

from wheelyard.api.schemas.links import IndexLinks
from wheelyard.api.schemas.sources import WheelSourcesView
from wheelyard.domain.builds.build import SdistSource
from wheelyard.domain.builds.components import PackageSourceFile, SourcePackage
from wheelyard.domain.builds.file_source import FileOrigin
from wheelyard.domain.index.index import Level
from wheelyard.domain.index.wheels import WheelOrigin
from wheelyard.errors import ArchiveNotReadError
from wheelyard.usecases.browse_index import WheelBytes, WheelSources

OLD, NEW = "demo-1.0-1-py3-none-any.whl", "demo-2.0-1-py3-none-any.whl"


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ApiHarness]:
    async with api_harness(tmp_path) as made:
        index = WheelHarness(state=made.state, prod=made.held)
        index.put(OLD)
        index.put(NEW)
        yield made


async def test_wheels_are_listed_a_page_at_a_time(harness: ApiHarness) -> None:
    first = await harness.client.get("/v1/wheels", params={"limit": 1, "project": "Demo"})
    body = first.json()
    assert [wheel["filename"] for wheel in body["wheels"]] == [NEW]
    assert first.headers["Link"] == f'<{body["next"]}>; rel="next"'
    second = (await harness.client.get(body["next"])).json()
    assert ([wheel["filename"] for wheel in second["wheels"]], second["next"]) == ([OLD], None)


async def test_wheel_shows_where_everything_is(harness: ApiHarness) -> None:
    wheel = (await harness.client.get(f"/v1/wheels/{OLD}")).json()
    assert (wheel["standing"], wheel["level"], wheel["url"]) == ("offered", "prod", f"/v1/wheels/{OLD}")
    assert (await harness.client.get(wheel["file_url"])).content == harness.held.files[("demo", OLD)]  # type: ignore[index]
    assert (await harness.client.get(f"{wheel['file_url']}.metadata")).text.startswith("Metadata-Version")
    assert_problem(await harness.client.get("/v1/wheels/nothing.whl"), 404, "not-found")


async def test_wheel_is_yanked_with_a_reason_and_offered_again(harness: ApiHarness) -> None:
    yanked = (await harness.client.post(f"/v1/wheels/{OLD}/yank", json={"reason": "  breaks <b>all</b>  "})).json()
    assert (yanked["standing"], yanked["yanked_reason"]) == ("yanked", "breaks <b>all</b>")
    listed = (await harness.client.get("/v1/wheels", params={"standing": "yanked"})).json()
    assert [wheel["filename"] for wheel in listed["wheels"]] == [OLD]
    free = (await harness.client.post(f"/v1/wheels/{OLD}/unyank")).json()
    assert (free["standing"], free["yanked_reason"]) == ("offered", None)


@pytest.mark.parametrize("reason", ["", "   ", "two\nlines", "bell\x07", "x" * 501])
async def test_reason_is_a_line_of_text(harness: ApiHarness, reason: str) -> None:
    answer = await harness.client.post(f"/v1/wheels/{OLD}/yank", json={"reason": reason})
    assert_problem(answer, 422, "invalid-request")


async def test_deletion_needs_the_name_again_and_is_for_good(harness: ApiHarness) -> None:
    for params in ({}, {"confirm": NEW}):
        assert_problem(await harness.client.delete(f"/v1/wheels/{OLD}", params=params), 422, "invalid-request")
    assert len(list(harness.held.filenames())) == 2
    deleted = (await harness.client.delete(f"/v1/wheels/{OLD}", params={"confirm": OLD})).json()
    assert deleted["standing"] == "deleted"
    assert list(harness.held.filenames()) == [NEW]
    assert_problem(await harness.client.get(f"/files/{OLD}"), 404, "not-found")
    assert_problem(await harness.client.get(f"/files/{OLD}.metadata"), 404, "not-found")
    assert_problem(await harness.client.post(f"/v1/wheels/{OLD}/yank", json={"reason": "late"}), 404, "not-found")
    assert_problem(await harness.client.post(f"/v1/wheels/{OLD}/promote"), 404, "not-found")


async def test_deletion_that_devpi_missed_is_found_and_mended(harness: ApiHarness) -> None:
    harness.held.faults.down = True
    assert_problem(await harness.client.delete(f"/v1/wheels/{OLD}", params={"confirm": OLD}), 503, "index-unavailable")
    harness.held.faults.down = False
    report = (await harness.client.post("/v1/index/check", json={})).json()
    assert [(one["filename"], one["difference"]) for one in report["findings"]] == [(OLD, "not-deleted")]
    assert (await harness.client.post("/v1/index/check", json={"mend": True})).json()["sound"]
    report = (await harness.client.post("/v1/index/check", json={})).json()
    assert (report["sound"], report["findings"], report["wheels"], report["files"]) == (True, [], 1, 1)


async def test_check_tells_what_cannot_be_mended(harness: ApiHarness) -> None:
    harness.held.files[("demo", OLD)] = b"other bytes"  # type: ignore[index]
    del harness.held.files[("demo", NEW)]  # type: ignore[arg-type]
    WheelHarness(state=harness.state, prod=harness.held).hold("odd-1.0-1-py3-none-any.whl", b"unknown")
    report = (await harness.client.post("/v1/index/check", json={"mend": True})).json()
    found = {one["filename"]: (one["difference"], one["mended"]) for one in report["findings"]}
    unknown = {"odd-1.0-1-py3-none-any.whl": ("unknown", False)}
    assert found == {OLD: ("other-bytes", False), NEW: ("missing", False), **unknown}
    assert not report["sound"]


async def test_promotion_moves_the_proven_bytes(harness: ApiHarness) -> None:
    staged = "next-1.0-1-py3-none-any.whl"
    WheelHarness(state=harness.state, staging=harness.held).put(staged, level=Level.STAGING)
    promoted = (await harness.client.post(f"/v1/wheels/{staged}/promote")).json()
    assert promoted["level"] == "prod"
    harness.held.files[("altered", "altered-1.0-1-py3-none-any.whl")] = b""  # type: ignore[index]
    altered = "altered-2.0-1-py3-none-any.whl"
    index = WheelHarness(state=harness.state, staging=harness.held)
    index.put(altered, level=Level.STAGING)
    index.hold(altered, b"other bytes", level=Level.STAGING)
    assert_problem(await harness.client.post(f"/v1/wheels/{altered}/promote"), 502, "hash-mismatch")
    assert (await harness.client.get(f"/v1/wheels/{altered}")).json()["level"] == "staging"


async def test_projects_are_listed_and_shown_with_all_their_releases(harness: ApiHarness) -> None:
    WheelHarness(state=harness.state, prod=harness.held).put("demo-10.0-1-py3-none-any.whl")
    WheelHarness(state=harness.state, prod=harness.held).put("other-1.0-1-py3-none-any.whl")
    first = (await harness.client.get("/v1/projects", params={"limit": 1})).json()
    assert [(one["name"], one["releases"], one["url"]) for one in first["projects"]] == [
        ("demo", 3, "/v1/projects/demo")
    ]
    second = (await harness.client.get(first["next"])).json()
    assert ([one["name"] for one in second["projects"]], second["next"]) == (["other"], None)
    project = (await harness.client.get("/v1/projects/Demo")).json()
    assert [release["version"] for release in project["releases"]] == ["10.0", "2.0", "1.0"]
    assert project["simple_url"] == "/simple/demo/"
    assert_problem(await harness.client.get("/v1/projects/nothing"), 404, "not-found")


SDIST = "demo-1.0.tar.gz"


async def test_sdist_is_shown_listed_and_served_beside_its_wheels(harness: ApiHarness) -> None:
    WheelHarness(state=harness.state, prod=harness.held).put_sdist(SDIST)
    (release,) = [
        one for one in (await harness.client.get("/v1/projects/demo")).json()["releases"] if one["version"] == "1.0"
    ]
    assert {file["filename"]: (file["kind"], file["tag"]) for file in release["wheels"]} == {
        OLD: ("wheel", "py3-none-any"),
        SDIST: ("sdist", None),
    }
    sdist = (await harness.client.get(f"/v1/wheels/{SDIST}")).json()
    assert (sdist["origin"], sdist["python"], sdist["platform"], sdist["build_id"]) == ("brought", *[None] * 3)
    assert (await harness.client.get(sdist["file_url"])).content == b"sdist"
    assert (await harness.client.get(f"{sdist['file_url']}.metadata")).text.startswith("Metadata-Version")
    for accept in ("text/html", "application/vnd.pypi.simple.v1+json"):
        for path in ("/simple/demo/", "/own/simple/demo/", "/staging/simple/demo/"):
            page = (await harness.client.get(path, headers={"Accept": accept})).text
            assert (SDIST in page, OLD in page) == (True, True)
    for kind, names in (("sdist", [SDIST]), ("wheel", [NEW, OLD])):
        listed = (await harness.client.get("/v1/wheels", params={"kind": kind})).json()["wheels"]
        assert [file["filename"] for file in listed] == names
    (project,) = (await harness.client.get("/v1/projects")).json()["projects"]
    assert (project["wheels"], project["origins"]) == (2, ["built"])


async def test_sdist_is_yanked_and_deleted_like_a_wheel(harness: ApiHarness) -> None:
    WheelHarness(state=harness.state, prod=harness.held).put_sdist(SDIST)
    yanked = await harness.client.post(f"/v1/wheels/{SDIST}/yank", json={"reason": "leaks"})
    assert yanked.json()["standing"] == "yanked"
    assert 'data-yanked="leaks"' in (await harness.client.get("/simple/demo/")).text
    deleted = (await harness.client.delete(f"/v1/wheels/{SDIST}", params={"confirm": SDIST})).json()
    assert deleted["standing"] == "deleted"
    assert SDIST not in (await harness.client.get("/simple/demo/")).text
    assert SDIST not in harness.held.filenames()
    assert_problem(await harness.client.get(f"/files/{SDIST}"), 404, "not-found")


async def test_check_finds_lost_sdists_and_expects_no_contents_of_them(harness: ApiHarness) -> None:
    index = WheelHarness(state=harness.state, prod=harness.held)
    index.put_sdist(SDIST)
    report = (await harness.client.post("/v1/index/check", json={})).json()
    assert (report["sound"], report["findings"], report["wheels"], report["files"]) == (True, [], 3, 3)
    index.hold(SDIST, b"other bytes")
    (found,) = (await harness.client.post("/v1/index/check", json={"mend": True})).json()["findings"]
    assert (found["filename"], found["difference"], found["mended"]) == (SDIST, "other-bytes", False)
    del harness.held.files[("demo", SDIST)]  # type: ignore[arg-type]
    (found,) = (await harness.client.post("/v1/index/check", json={"mend": True})).json()["findings"]
    assert (found["filename"], found["difference"]) == (SDIST, "missing")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/wheels?before=%00"),
        ("GET", "/v1/wheels/%00"),
        ("POST", "/v1/wheels/%00/unyank"),
        ("POST", "/v1/wheels/%00/promote"),
        ("DELETE", "/v1/wheels/%00?confirm=%00"),
        ("GET", "/v1/projects?after=%00"),
        ("GET", "/v1/projects?prefix=%00"),
        ("GET", "/v1/projects/%00"),
    ],
)
async def test_nul_is_refused_before_a_database_sees_it(harness: ApiHarness, method: str, path: str) -> None:
    # PostgreSQL can hold no NUL in a text; the stores in memory could, so these would answer 200 or 404.
    assert_problem(await harness.client.request(method, path), 422, "invalid-request")


@pytest.mark.parametrize("path", ["/files/%00", "/files/%00.metadata", "/staging/files/%00"])
async def test_file_with_nul_in_its_name_is_not_looked_for(
    harness: ApiHarness, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.delattr(WheelBytes, "find")
    assert_problem(await harness.client.get(path), 404, "not-found")


async def test_nul_in_the_name_of_a_yanked_wheel_is_refused(harness: ApiHarness) -> None:
    answer = await harness.client.post("/v1/wheels/%00/yank", json={"reason": "broken"})
    assert_problem(answer, 422, "invalid-request")


async def built_wheel(harness: ApiHarness) -> str:
    """Publish a wheel that was built here; return its file name."""
    build_id = await harness.submit()
    await harness.succeed(build_id)
    filename = "pyyaml-6.0.3-1-cp313-cp313-manylinux_2_17_x86_64.whl"
    harness.state.record_wheel(entry_for(filename, build_id=build_id))
    return filename


async def test_sources_of_a_wheel_are_exact(harness: ApiHarness) -> None:
    body = (await harness.client.get(f"/v1/wheels/{await built_wheel(harness)}/sources")).json()
    assert [one["name"] for one in body["components"]] == ["libyaml-0-2", "itoa"]
    assert body["sbom"] == "pyyaml-6.0.3.dist-info/sboms/wheelyard.cdx.json"
    sdist, libyaml, expat, itoa = body["sources"]
    # The sdist of this build is in memory, which nobody can fetch from.
    assert (sdist["kind"], sdist["name"], sdist["files"]) == ("sdist", "pyyaml", [])
    (file,) = libyaml["files"]
    assert (file["name"], file["sha256"], file["size_bytes"]) == ("libyaml_0.2.5-1.dsc", "39" * 32, 2071)
    assert file["url"].startswith("http://deb.example/debian/pool/")
    assert (expat["files"], libyaml["problem"]) == ([], None)
    assert "https://snapshot.debian.org/package/expat/2.5.0-1/" in expat["problem"]
    assert itoa["files"] == [
        {
            "name": "itoa-1.0.19.crate",
            "url": "https://static.crates.io/crates/itoa/itoa-1.0.19.crate",
            "sha256": "38" * 32,
            "size_bytes": None,
        }
    ]


@pytest.mark.parametrize(
    ("has_sdist", "url"),
    [(True, "http://wheelyard/files/demo-1.0.tar.gz"), (False, "https://index.example/demo-1.0.tar.gz")],
)
def test_sdist_comes_from_our_index_if_it_is_there(*, has_sdist: bool, url: str) -> None:
    upstream = "https://index.example/demo-1.0.tar.gz"
    sdist = SdistSource(filename="demo-1.0.tar.gz", url=upstream, sha256="ab" * 32, size_bytes=12)
    found = WheelSources(wheel=WheelHarness().put(OLD), made=None, sdist=sdist, packages=())
    links = IndexLinks(base="http://wheelyard", is_open=True)
    (source,) = WheelSourcesView.of(found, links, has_sdist=has_sdist).sources
    assert [(one.url, one.sha256) for one in source.files] == [(url, "ab" * 32)]


def test_sdist_at_an_address_comes_from_there() -> None:
    address = "https://files.example/demo-1.0.tar.gz"
    origin = FileOrigin(address=address, name="demo-1.0.tar.gz", sha256="ab" * 32, version="1.0")
    sdist = SdistSource(filename=origin.name, url=origin.url, sha256=origin.sha256, size_bytes=12, file=origin)
    found = WheelSources(wheel=WheelHarness().put(OLD), made=None, sdist=sdist, packages=())
    links = IndexLinks(base="http://wheelyard", is_open=True)
    (source,) = WheelSourcesView.of(found, links, has_sdist=False).sources
    assert [(one.url, one.sha256, source.problem) for one in source.files] == [(address, "ab" * 32, None)]


async def test_source_that_the_archive_got_later_is_looked_up_again(harness: ApiHarness) -> None:
    file = PackageSourceFile(name="expat.dsc", url="http://deb.example/expat.dsc", sha256="40" * 32, size_bytes=1)
    harness.archives.sources["expat", "2.5.0-1"] = SourcePackage(name="expat", version="2.5.0-1", files=(file,))
    filename = await built_wheel(harness)
    expat = (await harness.client.get(f"/v1/wheels/{filename}/sources")).json()["sources"][2]
    assert (expat["name"], expat["problem"], expat["files"][0]["name"]) == ("expat", None, "expat.dsc")
    harness.archives.error = ArchiveNotReadError(suite="bookworm", architecture="x86_64")
    expat = (await harness.client.get(f"/v1/wheels/{filename}/sources")).json()["sources"][2]
    assert expat["files"] == []


async def test_wheel_that_was_not_built_here_has_no_sources(harness: ApiHarness) -> None:
    mirrored = "other-1.0-py3-none-any.whl"
    WheelHarness(state=harness.state, prod=harness.held).put(mirrored, origin=WheelOrigin.MIRRORED)
    body = (await harness.client.get(f"/v1/wheels/{mirrored}/sources")).json()
    assert (body["sbom"], body["components"], body["sources"]) == (None, [], [])
    assert_problem(await harness.client.get("/v1/wheels/nothing.whl/sources"), 404, "not-found")
