"""Pages of the Simple API, read back by a reader of it that is not ours."""

import json
import warnings
from dataclasses import replace
from datetime import timedelta

import pytest
from pypi_simple import DistributionPackage, ProjectPage
from pypi_simple.errors import UnexpectedRepoVersionWarning
from tests.contract.samples import BEGINNING
from tests.unit.wheel_harness import METADATA, WheelHarness, entry_for

from wheelyard.domain.index.simple_format import (
    HTML_VERSION,
    JSON_VERSION,
    Form,
    choose_form,
    write_names,
    write_project,
)
from wheelyard.domain.index.wheels import IndexedWheel
from wheelyard.domain.packaging.own_projects import OwnProjects

PLAIN = entry_for("demo-1.0-1-py3-none-any.whl").wheel
YANKED = replace(
    entry_for("demo-2.0-1-py3-none-any.whl").wheel,
    yanked_at=BEGINNING,
    yanked_reason='"><script>alert(1)</script> & so on',
    uploaded_at=BEGINNING + timedelta(microseconds=1500),
)
BARE = replace(entry_for("demo-10.0-1-py3-none-any.whl").wheel, metadata_sha256=None, requires_python=None)
WHEELS = (PLAIN, YANKED, BARE)
URL = "http://index.test/simple/demo/"


def read(wheels: tuple[IndexedWheel, ...], form: Form) -> ProjectPage:
    text = write_project("demo", wheels, form).decode()
    if form is Form.JSON:
        with warnings.catch_warnings():
            # This reader is older than PEP 752, and warns that it may not know all keys (PEP 629).
            warnings.simplefilter("ignore", UnexpectedRepoVersionWarning)
            return ProjectPage.from_json_data(json.loads(text), URL)
    return ProjectPage.from_html("demo", text, URL)


def files(page: ProjectPage) -> dict[str, DistributionPackage]:
    return {str(file.version): file for file in page.packages}


@pytest.mark.parametrize("form", list(Form))
def test_reader_gets_what_was_written(form: Form) -> None:
    page = read(WHEELS, form)
    plain, yanked, bare = (files(page)[version] for version in ("1.0", "2.0", "10.0"))
    assert page.repository_version == (JSON_VERSION if form is Form.JSON else HTML_VERSION)
    assert plain.filename == PLAIN.filename
    assert plain.url.partition("#")[0] == f"http://index.test/files/{PLAIN.filename}"
    assert plain.digests == {"sha256": PLAIN.sha256}
    assert (plain.requires_python, bare.requires_python) == (">=3.9,<4", None)
    assert plain.metadata_digests == {"sha256": PLAIN.metadata_sha256}
    assert (plain.has_metadata, bool(bare.has_metadata)) == (True, False)
    assert (plain.is_yanked, yanked.is_yanked) == (False, True)
    assert yanked.yanked_reason == YANKED.yanked_reason


def test_json_has_versions_sizes_and_times_to_the_microsecond() -> None:
    page = read(WHEELS, Form.JSON)
    assert page.versions == ["1.0", "2.0", "10.0"]
    assert files(page)["2.0"].upload_time == YANKED.uploaded_at
    assert files(page)["1.0"].size == PLAIN.size_bytes
    document = json.loads(write_project("demo", WHEELS, Form.JSON))
    assert {file["provenance"] for file in document["files"]} == {None}


@pytest.mark.parametrize("form", [Form.HTML, Form.LEGACY])
def test_what_people_wrote_is_never_markup(form: Form) -> None:
    text = write_project("demo", WHEELS, form).decode()
    assert "<script>" not in text
    hostile = replace(PLAIN, requires_python='>=3"><img src=x onerror=alert(1)>')
    assert "<img" not in write_project("demo", (hostile,), form).decode()


def test_html_names_metadata_by_both_attributes() -> None:
    text = write_project("demo", (PLAIN,), Form.HTML).decode()
    assert f'data-core-metadata="sha256={PLAIN.metadata_sha256}"' in text
    assert f'data-dist-info-metadata="sha256={PLAIN.metadata_sha256}"' in text


def test_metadata_digest_is_of_its_very_bytes() -> None:
    assert PLAIN.metadata_sha256 == entry_for("demo-3.0-1-py3-none-any.whl", metadata=METADATA).wheel.metadata_sha256
    assert PLAIN.requires_python == ">=3.9,<4"


@pytest.mark.parametrize("form", list(Form))
def test_sdist_is_a_file_beside_the_wheels_and_has_metadata_only_if_that_is_reliable(form: Form) -> None:
    reliable = WheelHarness().put_sdist("demo-1.0.tar.gz")
    unreliable = replace(reliable, filename="demo-2.0.zip", version="2.0", metadata_sha256=None)
    page = read((PLAIN, reliable, unreliable), form)
    wheel, sdist, other = page.packages
    assert [(one.filename, one.package_type) for one in (wheel, sdist, other)] == [
        (PLAIN.filename, "wheel"),
        ("demo-1.0.tar.gz", "sdist"),
        ("demo-2.0.zip", "sdist"),
    ]
    assert sdist.digests == {"sha256": reliable.sha256}
    assert sdist.requires_python == ">=3.9,<4"
    assert sdist.metadata_digests == {"sha256": reliable.metadata_sha256}
    assert not other.has_metadata


def test_json_tells_that_an_sdist_was_brought() -> None:
    document = json.loads(write_project("demo", (PLAIN, WheelHarness().put_sdist("demo-1.0.tar.gz")), Form.JSON))
    assert [file["_origin"] for file in document["files"]] == ["built", "brought"]
    assert document["versions"] == ["1.0"]


def test_list_of_projects_links_to_their_pages() -> None:
    assert b'<a href="demo/">demo</a>' in write_names(["demo"], Form.HTML)
    assert json.loads(write_names(["a", "b"], Form.JSON))["projects"] == [{"name": "a"}, {"name": "b"}]


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, Form.LEGACY),
        ("", Form.LEGACY),
        ("*/*", Form.LEGACY),
        ("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", Form.LEGACY),
        (
            "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01",
            Form.JSON,
        ),
        ("application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01", Form.HTML),
        ("application/vnd.pypi.simple.latest+json", Form.JSON),
        ("TEXT/HTML; level=1", Form.LEGACY),
        ("application/*", Form.JSON),
        ("application/vnd.pypi.simple.v1+json;q=0, application/*", None),
        ("application/vnd.pypi.simple.v1+json;q=0", None),
        ("application/vnd.pypi.simple.v2+json", None),
        ("text/html;q=lots", None),
        ("image/png", None),
    ],
)
def test_accept_header_chooses_the_form(accept: str | None, form: Form | None) -> None:
    assert choose_form(accept) is form


@pytest.mark.parametrize(
    ("project", "namespaces"),
    [
        ("acme-web-cart", [{"name": "acme", "owned": True}, {"name": "acme-web", "owned": True}]),
        ("acme", [{"name": "acme", "owned": False}]),
        ("tool", None),
        ("demo", None),
    ],
)
def test_json_has_the_namespaces_of_a_project(project: str, namespaces: object) -> None:
    own = OwnProjects.of(["acme-*", "acme-web-*", "tool"])
    document = json.loads(write_project(project, WHEELS, Form.JSON, own=own))
    assert (document["namespaces"], document["meta"]) == (namespaces, {"api-version": "1.5"})
    assert json.loads(write_project(project, WHEELS, Form.JSON))["namespaces"] is None


def test_project_that_is_own_by_its_name_owns_its_namespace() -> None:
    document = json.loads(write_project("acme", WHEELS, Form.JSON, own=OwnProjects.of(["acme-*", "acme"])))
    assert document["namespaces"] == [{"name": "acme", "owned": True}]


def test_html_has_no_namespaces() -> None:
    own = OwnProjects.of(["demo-*", "demo"])
    assert write_project("demo", WHEELS, Form.HTML, own=own) == write_project("demo", WHEELS, Form.HTML)
