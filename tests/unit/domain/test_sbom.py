"""The SBOM: every component has a package URL, and the same content gives the same bytes."""

import json
from dataclasses import replace
from datetime import UTC, datetime

from wheelyard.domain.catalogue.archive import ArchiveDate
from wheelyard.domain.catalogue.packages import InstalledPackage
from wheelyard.domain.catalogue.sbom import ImageContent, read_sbom_content, write_sbom

CONTENT = ImageContent(
    name="wheelyard/runtime-bookworm-3.13",
    version="d" * 64,
    distribution="debian",
    suite="bookworm",
    packages=(InstalledPackage(name="libstdc++6", version="12.2.0-14+deb12u1", architecture="amd64"),),
    pythons=(("3.13.15", "a" * 64),),
    tools=(("auditwheel", "6.8.1", "b" * 64),),
    source_date_epoch=1788220800,
    archive_dates=(ArchiveDate(source="bookworm-security", date=datetime(2026, 11, 22, 8, 14, 2, tzinfo=UTC)),),
)


def test_every_component_has_a_package_url_and_what_we_fetched_its_hash() -> None:
    document = json.loads(write_sbom(CONTENT))
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    assert document["metadata"]["timestamp"] == "2026-09-01T00:00:00Z"
    urls = [component["purl"] for component in document["components"]]
    assert urls == [
        "pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bdeb12u1?arch=amd64&distro=bookworm",
        "pkg:generic/cpython@3.13.15",
        "pkg:pypi/auditwheel@6.8.1",
    ]
    assert [component.get("hashes") for component in document["components"]] == [
        None,
        [{"alg": "SHA-256", "content": "a" * 64}],
        [{"alg": "SHA-256", "content": "b" * 64}],
    ]


def test_same_content_gives_the_same_bytes_and_other_content_another_serial_number() -> None:
    assert write_sbom(CONTENT) == write_sbom(replace(CONTENT))
    other = write_sbom(replace(CONTENT, pythons=()))
    assert json.loads(other)["serialNumber"] != json.loads(write_sbom(CONTENT))["serialNumber"]


def test_document_says_which_state_of_the_archive_the_packages_came_from() -> None:
    properties = json.loads(write_sbom(CONTENT))["metadata"]["properties"]
    assert properties == [{"name": "wheelyard:archive-date:bookworm-security", "value": "2026-11-22T08:14:02Z"}]


def test_what_was_written_is_read() -> None:
    assert read_sbom_content(write_sbom(CONTENT)) == CONTENT
    empty = replace(CONTENT, packages=(), pythons=(), tools=(), archive_dates=(), distribution="", suite="")
    assert read_sbom_content(write_sbom(empty)) == empty
