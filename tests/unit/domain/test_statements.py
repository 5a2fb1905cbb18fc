"""What a statement says of the source of a wheel, whatever the source is."""

from dataclasses import replace
from typing import Any

import pytest
from tests.contract.samples import BEGINNING, sample_order, sample_wheel

from wheelyard.domain.builds.build import SdistSource, SourceKind
from wheelyard.domain.builds.file_source import FileOrigin
from wheelyard.domain.builds.local_source import LocalKind, LocalOrigin
from wheelyard.domain.provenance.statements import BuildRun, Signing, describe_build

SDIST = SdistSource(
    filename="demo-1.0.tar.gz", url="https://index.example/demo-1.0.tar.gz", sha256="ab" * 32, size_bytes=1
)
ADDRESS = "https://files.example/demo-1.0.tar.gz"


def local(kind: LocalKind, sha256: str) -> SdistSource:
    origin = LocalOrigin(kind=kind, name="billing", sha256=sha256, size_bytes=1, sent_by="ci")
    return replace(SDIST, kind=SourceKind.LOCAL, url="upload:1", local=origin)


def at_address(kind: SourceKind, name: str) -> SdistSource:
    origin = FileOrigin(address=ADDRESS, name=name, sha256="ab" * 32, version="1.0")
    return replace(SDIST, kind=kind, filename=name, url=origin.url, file=origin)


def described(source: SdistSource) -> tuple[str, list[tuple[str, str, str | None]]]:
    run = BuildRun(build_id="b1", attempt=1, started_at=BEGINNING, finished_at=BEGINNING, images={})
    order = replace(sample_order(), sdist=source)
    signing = Signing(builder_id="urn:wheelyard:builder:w", version="0", at=BEGINNING)
    definition: dict[str, Any] = describe_build(order, sample_wheel(), run, signing)["buildDefinition"]
    parts = [
        (one["annotations"]["role"], one["digest"]["sha256"][:2], one.get("uri"))
        for one in definition["resolvedDependencies"]
        if one["annotations"]["role"] in {"source", "sdist of the source"}
    ]
    return definition["buildType"].rpartition("/")[2], parts


@pytest.mark.parametrize(
    ("source", "kind", "parts"),
    [
        (SDIST, "sdist", [("source", "ab", SDIST.url)]),
        (
            local(LocalKind.FOLDER, "cd" * 32),
            "local",
            [("source", "cd", None), ("sdist of the source", "ab", "upload:1")],
        ),
        (local(LocalKind.SDIST, "ab" * 32), "local", [("source", "ab", "upload:1")]),
        (at_address(SourceKind.FILE, "demo-1.0.tar.gz"), "file", [("source", "ab", ADDRESS)]),
        (at_address(SourceKind.WHEEL, "demo-1.0-py3-none-any.whl"), "brought", [("source", "ab", ADDRESS)]),
    ],
)
def test_source_is_what_came_with_its_digest_and_address(
    source: SdistSource, kind: str, parts: list[tuple[str, str, str | None]]
) -> None:
    assert described(source) == (kind, parts)
