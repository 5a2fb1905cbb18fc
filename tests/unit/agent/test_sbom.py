"""A repaired wheel says what others made of it, truly and in the same bytes each time."""

import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.metadata import parse_email
from tests.sbom_rules import sbom_problems
from tests.unit.pipeline_harness import NATIVE, pack_wheel

from wheelyard_agent.components import Component, Contents
from wheelyard_agent.rewrite import _digest
from wheelyard_agent.sbom import auditwheels_document, declare_licenses, describe_contents, write_document

INFO = "demo-1.0.dist-info"
METADATA = b"Metadata-Version: 2.4\nName: Demo_X\nVersion: 1.0\n\nLicense-File: this is text\n"
ODD = "libstdc++ \u00fc#?.so.6"
COPYRIGHT = "debian/libyaml-0-2_0.2.5-1/copyright"
YAML = Component(
    kind="grafted",
    name="libyaml-0-2",
    version="0.2.5-1",
    purl="pkg:deb/debian/libyaml-0-2@0.2.5-1?arch=amd64&distro=bookworm",
    license="MIT",
    license_files=(COPYRIGHT,),
    source="libyaml",
    source_version="0.2.5-1",
    files=("demo.libs/libyaml-1.so.2",),
)
STRANGE = Component(
    kind="grafted",
    name=ODD,
    version="",
    purl="pkg:generic/libstdc%2B%2B%20%C3%BC%23%3F.so.6?checksum=sha256:" + "cd" * 32,
    license=None,
    sha256="cd" * 32,
    files=(f"demo.libs/{ODD}",),
)
STATIC = YAML._replace(kind="static", files=("/usr/lib/x86_64-linux-gnu/libyaml.a",))
CRATE = Component("crate", "itoa", "1.0.9", "pkg:cargo/itoa@1.0.9", "MIT OR Apache-2.0", sha256="ef" * 32)


def graft(soname: str, path: str, needed_by: list[str]) -> dict[str, Any]:
    facts = {"soname": soname, "path": path, "sha256": "ab" * 32, "origin": f"/usr/lib/{soname}"}
    return {**facts, "origin_sha256": "cd" * 32, "needed_by": needed_by}


GRAFTED = [
    graft("libyaml-0.so.2", "demo.libs/libyaml-1.so.2", ["demo/_c.abi3.so"]),
    graft(ODD, f"demo.libs/{ODD}", ["libyaml-0.so.2"]),
]
CONTENTS = Contents([CRATE, STRANGE, YAML, STATIC], {COPYRIGHT: b"Format: x\n"}, GRAFTED)


def wheel(folder: Path, **members: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / NATIVE
    files = {"demo/_c.abi3.so": b"\x7fELF", f"{INFO}/METADATA": METADATA, **members}
    path.write_bytes(pack_wheel(NATIVE, files))
    return path


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as bundle:
        assert bundle.testzip() is None
        assert len(set(bundle.namelist())) == len(bundle.namelist())
        return {one.filename: bundle.read(one) for one in bundle.infolist()}


def described(path: Path, folder: Path, contents: Contents = CONTENTS) -> tuple[dict[str, bytes], str]:
    copy, place = describe_contents(path, folder, contents, kept=auditwheels_document(path))
    return members(copy), place


def test_document_holds_to_the_rules_and_names_everything() -> None:
    document = json.loads(write_document(NATIVE, METADATA, CONTENTS, others=["sboms/a b.cdx.json"]))
    assert sbom_problems(document) == []
    assert document["metadata"]["component"]["purl"] == f"pkg:pypi/demo-x@1.0?file_name={NATIVE}"
    assert [one["name"] for one in document["components"]] == ["itoa", ODD, "libyaml-0-2", "libyaml-0-2"]
    needs = {one["ref"]: one.get("dependsOn", []) for one in document["dependencies"]}
    assert needs[f"grafted:{YAML.purl}"] == [f"grafted:{STRANGE.purl}"]
    assert needs["wheel"] == sorted([f"crate:{CRATE.purl}", f"grafted:{YAML.purl}", f"static:{STATIC.purl}"])
    assert "timestamp" not in document["metadata"]


def test_document_without_components_holds_to_the_rules() -> None:
    assert sbom_problems(json.loads(write_document(NATIVE, METADATA, Contents([], {})))) == []


def test_rules_find_what_is_wrong() -> None:
    document = json.loads(write_document(NATIVE, METADATA, CONTENTS))
    document["components"][0] |= {"purl": "pkg:", "licenses": [{"expression": "MIT AND Nonsense"}], "type": "odd"}
    document["dependencies"].append({"ref": "nobody"})
    said = " ".join(sbom_problems(document))
    assert "'odd' is not one of" in said
    assert "Nonsense is no license of SPDX" in said
    assert "nothing is nobody" in said


def test_equal_contents_give_equal_bytes_and_others_another_serial_number(tmp_path: Path) -> None:
    first = describe_contents(wheel(tmp_path / "a"), tmp_path / "x", CONTENTS, kept=None)[0].read_bytes()
    second = describe_contents(wheel(tmp_path / "b"), tmp_path / "y", CONTENTS, kept=None)[0].read_bytes()
    assert first == second
    serials = {
        json.loads(write_document(NATIVE, METADATA, one))["serialNumber"] for one in (CONTENTS, Contents([], {}))
    }
    assert len(serials) == 2


def test_wheel_gets_document_texts_and_a_true_record(tmp_path: Path) -> None:
    files, place = described(wheel(tmp_path / "a"), tmp_path / "b")
    assert place == f"{INFO}/sboms/wheelyard.cdx.json"
    assert files[f"{INFO}/licenses/{COPYRIGHT}"] == b"Format: x\n"
    assert list(files)[list(files).index(place) + 1] == f"{INFO}/RECORD"
    rows = {row[0]: row[1:] for row in csv.reader(io.StringIO(files[f"{INFO}/RECORD"].decode()))}
    assert set(rows) == set(files)
    assert {name: row for name, row in rows.items() if row[0]} == {
        name: [_digest(data), str(len(data))] for name, data in files.items() if not name.endswith("/RECORD")
    }
    metadata, unparsed = parse_email(files[f"{INFO}/METADATA"])
    assert (metadata["license_files"], unparsed) == ([COPYRIGHT], {})
    assert metadata["description"] == "License-File: this is text\n"


def test_auditwheels_document_is_replaced_and_those_of_others_stay(tmp_path: Path) -> None:
    theirs, own = f"{INFO}/sboms/auditwheel.cdx.json", f"{INFO}/sboms/vendored.cdx.json"
    repaired = wheel(tmp_path / "a", **{theirs: b"{}", own: b'{"a": 1}'})
    files = members(describe_contents(repaired, tmp_path / "b", CONTENTS, kept=None)[0])
    assert theirs not in files
    assert theirs.encode() not in files[f"{INFO}/RECORD"]
    assert files[own] == b'{"a": 1}'
    document = json.loads(files[f"{INFO}/sboms/wheelyard.cdx.json"])
    assert document["externalReferences"] == [{"type": "bom", "url": "sboms/vendored.cdx.json"}]
    assert sbom_problems(document) == []


def test_document_that_auditwheel_wrote_for_others_is_as_it_was(tmp_path: Path) -> None:
    theirs = f"{INFO}/sboms/auditwheel.cdx.json"
    repaired = wheel(tmp_path / "a", **{theirs: b'{"new": 1}'})
    assert members(describe_contents(repaired, tmp_path / "b", CONTENTS, kept=b"{}")[0])[theirs] == b"{}"


def test_second_repair_keeps_the_document_of_the_first(tmp_path: Path) -> None:
    first, place = describe_contents(wheel(tmp_path / "a"), tmp_path / "b", CONTENTS, kept=None)
    files, second = described(first, tmp_path / "c", Contents([CRATE], CONTENTS.texts))
    assert second == f"{INFO}/sboms/wheelyard-2.cdx.json"
    assert files[place] == members(first)[place]


@pytest.mark.parametrize("version", ["2.1", "2.2", "2.3"])
def test_older_metadata_becomes_that_which_has_the_field(version: str) -> None:
    old = METADATA.replace(b"2.4", version.encode()).replace(b"Version: 1.0", b"Version: 1.0\nLicense-File: LICENSE")
    text, moved = declare_licenses(old, [COPYRIGHT], names=[f"{INFO}/LICENSE"], info=INFO)
    metadata, unparsed = parse_email(text)
    assert unparsed == {}
    assert (metadata["metadata_version"], metadata["license_files"]) == ("2.4", ["LICENSE", COPYRIGHT])
    assert moved == {f"{INFO}/LICENSE": f"{INFO}/licenses/LICENSE"}


def test_file_that_moves_is_in_its_new_place_alone(tmp_path: Path) -> None:
    old = METADATA.replace(b"2.4", b"2.1").replace(b"Version: 1.0", b"Version: 1.0\nLicense-File: LICENSE")
    files, _ = described(wheel(tmp_path / "a", **{f"{INFO}/METADATA": old, f"{INFO}/LICENSE": b"MIT"}), tmp_path / "b")
    assert files[f"{INFO}/licenses/LICENSE"] == b"MIT"
    assert f"{INFO}/LICENSE" not in files


@pytest.mark.parametrize(
    "metadata",
    [
        b"Metadata-Version: 1.2\nName: demo\nVersion: 1.0\n\n",
        b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\nLicense-File: ../LICENSE\n\n",
        b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\nLicense-File: missing\n\n",
        b"Metadata-Version: x.y\nName: demo\nVersion: 1.0\n\n",
        b"",
    ],
)
def test_metadata_that_cannot_become_true_stays_as_it_is(metadata: bytes) -> None:
    assert declare_licenses(metadata, [COPYRIGHT], names=[], info=INFO) == (metadata, {})


def test_newlines_of_metadata_are_kept() -> None:
    text, _ = declare_licenses(METADATA.replace(b"\n", b"\r\n"), [COPYRIGHT], names=[], info=INFO)
    assert b"License-File: " + COPYRIGHT.encode() + b"\r\n\r\nLicense-File: this is text\r\n" in text
    assert text.count(b"\n") == text.count(b"\r\n")
