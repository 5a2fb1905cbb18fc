"""Packages that hold a file, over REST."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.fakes.archives import FakeArchives
from tests.unit.api_harness import ApiHarness, api_harness

from wheelyard.domain.catalogue.archive_files import FileKind, WantedFile
from wheelyard.errors import ArchiveNotReadError


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ApiHarness]:
    async with api_harness(tmp_path) as harness:
        harness.archives.packages.update(
            {
                (FileKind.HEADER, "fftw3.h"): ["libfftw3-dev", "other-dev"],
                (FileKind.PKG_CONFIG, "smbclient"): ["libsmbclient-dev"],
                (FileKind.LIBRARY, "mecab"): ["libmecab-dev"],
            }
        )
        yield harness


async def test_packages_of_a_header_are_listed_best_first(harness: ApiHarness) -> None:
    answer = await harness.client.get("/v1/suites/bookworm/packages", params={"file": "fftw3.h"})
    assert answer.status_code == 200
    found = answer.json()
    packages = found.pop("packages")
    assert found == {"suite": "bookworm", "architecture": "x86_64", "kind": "header", "name": "fftw3.h"}
    assert [one["package"] for one in packages] == ["libfftw3-dev", "other-dev"]
    assert set(packages[0]) == {"package", "version", "path", "installed_bytes", "reason"}


@pytest.mark.parametrize(
    ("file", "kind", "package"),
    [
        ("smbclient.pc", "pkg-config", "libsmbclient-dev"),
        ("libmecab.so", "library", "libmecab-dev"),
        ("mecab", "library", "libmecab-dev"),
        ("smbclient", "pkg-config", "libsmbclient-dev"),
    ],
)
async def test_kind_is_inferred_from_the_name(harness: ApiHarness, file: str, kind: str, package: str) -> None:
    found = (await harness.client.get("/v1/suites/bookworm/packages", params={"file": file})).json()
    assert (found["kind"], found["packages"][0]["package"]) == (kind, package)


async def test_suite_of_the_default_target_is_chosen(harness: ApiHarness) -> None:
    found = (await harness.client.get("/v1/suites/default/packages", params={"file": "fftw3.h"})).json()
    assert found["suite"] == harness.services.request_build.suite_for(harness.services.defaults)


async def test_file_that_no_package_holds_has_none(harness: ApiHarness) -> None:
    answer = await harness.client.get("/v1/suites/bookworm/packages", params={"file": "nothing"})
    assert (answer.status_code, answer.json()["packages"]) == (200, [])
    assert WantedFile(kind=FileKind.PROGRAM, name="nothing") in harness.archives.asked


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("/v1/suites/sarge/packages?file=fftw3.h", 404, "not-found"),
        ("/v1/suites/bookworm/packages", 422, "invalid-request"),
        ("/v1/suites/bookworm/packages?file=", 422, "invalid-request"),
        ("/v1/suites/bookworm/packages?file=/", 422, "invalid-request"),
        (f"/v1/suites/bookworm/packages?file={'a' * 201}", 422, "invalid-request"),
        ("/v1/suites/bookworm/packages?file=a&architecture=mips", 422, "invalid-request"),
    ],
)
async def test_wrong_questions_are_refused(harness: ApiHarness, query: str, status: int, code: str) -> None:
    answer = await harness.client.get(query)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_archive_that_is_not_read_yet_can_be_asked_again(harness: ApiHarness) -> None:
    assert isinstance(harness.archives, FakeArchives)
    harness.archives.error = ArchiveNotReadError(suite="bookworm", architecture="x86_64")
    answer = await harness.client.get("/v1/suites/bookworm/packages", params={"file": "fftw3.h"})
    assert (answer.status_code, answer.json()["code"]) == (503, "archive-not-read")
    assert int(answer.headers["Retry-After"]) > 0


async def test_question_needs_a_token(harness: ApiHarness) -> None:
    harness.client.headers.pop("Authorization")
    assert (await harness.client.get("/v1/suites/bookworm/packages?file=fftw3.h")).status_code == 401
