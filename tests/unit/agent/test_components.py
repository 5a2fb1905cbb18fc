"""Where what a wheel carries comes from: packages, their copyright files, and crates."""

import zipfile
from pathlib import Path
from typing import Any

import pytest
from packageurl import PackageURL

from wheelyard_agent import components
from wheelyard_agent.components import Contents, Distribution, find_components
from wheelyard_agent.debian import Owner

DEP5 = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: GPL-2+\n"
COMMON = "On Debian systems, see /usr/share/common-licenses/GPL-2, and /usr/share/common-licenses/../../etc/passwd.\n"


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An image whose packages are named after their files; other files belong to none."""
    root = tmp_path / "root"
    documents, common = root / "doc", root / "common"
    documents.mkdir(parents=True)
    common.mkdir()
    common.joinpath("GPL-2").write_text("GNU GENERAL PUBLIC LICENSE\n")
    root.joinpath("os-release").write_text('ID=debian\nVERSION_CODENAME="bookworm"\n')
    monkeypatch.setattr(components, "_DOCUMENTS", documents)
    monkeypatch.setattr(components, "_COMMON", common)
    monkeypatch.setattr(components, "_OS_RELEASE", root / "os-release")

    def find_owners(paths: list[Path], **_: object) -> dict[Path, Owner]:
        owned = (path for path in paths if path.name.startswith("lib"))
        return {path: Owner(path.name.partition(".")[0], "1:2.0+dfsg-1~x", "src 2.0+dfsg-1", "amd64") for path in owned}

    monkeypatch.setattr(components, "find_owners", find_owners)
    return root


def document(image: Path, package: str, content: bytes) -> None:
    image.joinpath("doc", package).mkdir()
    image.joinpath("doc", package, "copyright").write_bytes(content)


def graft(image: Path, name: str) -> dict[str, Any]:
    path = image / name
    path.write_bytes(b"\x7fELF")
    facts = {"soname": name, "path": f"demo.libs/{name}", "sha256": "ab" * 32}
    return {**facts, "origin": str(path), "origin_sha256": "cd" * 32, "needed_by": []}


def found(grafted: list[dict[str, Any]], archives: list[str] | None = None) -> Contents:
    return find_components(grafted, archives or [], [], None, env={})


def test_package_has_its_license_its_texts_and_its_source(image: Path) -> None:
    document(image, "libodd++", (DEP5 + COMMON).encode())
    contents = found([graft(image, "libodd++.so.1")])
    (one,) = contents.components
    assert (one.license, one.source, one.source_version) == ("GPL-2.0-or-later", "src", "2.0+dfsg-1")
    assert one.license_files == ("debian/libodd++_2.0+dfsg-1~x/copyright", "common/GPL-2")
    assert contents.texts["common/GPL-2"].startswith(b"GNU")
    purl = PackageURL.from_string(one.purl)
    assert (purl.namespace, purl.name, purl.version) == ("debian", "libodd++", "1:2.0+dfsg-1~x")
    assert purl.qualifiers == {"arch": "amd64", "distro": "bookworm"}


def test_package_that_is_grafted_twice_is_one_component_and_static_another(image: Path) -> None:
    document(image, "liba", DEP5.encode())
    archive = image / "liba.a"
    archive.write_bytes(b"!<arch>\n")
    contents = found([graft(image, "liba.so.1"), graft(image, "liba.so.2")], [str(archive), "/no/such.a", "relative.a"])
    assert [(one.kind, one.files) for one in contents.components] == [
        ("grafted", ("demo.libs/liba.so.1", "demo.libs/liba.so.2")),
        ("static", (str(archive),)),
    ]


@pytest.mark.parametrize("content", [b"\0\xff" * 100_000, b"", b"Format: \n\n", b"Files: *\nLicense: MIT\n"])
def test_garbage_is_kept_as_text_and_gives_no_license(image: Path, content: bytes) -> None:
    document(image, "liba", content)
    contents = found([graft(image, "liba.so")])
    assert contents.components[0].license is None
    assert contents.texts == {"debian/liba_2.0+dfsg-1~x/copyright": content}


def test_huge_file_is_left_out(image: Path) -> None:
    document(image, "liba", DEP5.encode() + b" x\n" * 2_000_000)
    contents = found([graft(image, "liba.so")])
    assert (contents.components[0].license, contents.components[0].license_files, contents.texts) == (None, (), {})


def test_link_out_of_the_folder_of_documents_is_not_followed(image: Path) -> None:
    image.joinpath("secret").mkdir()
    image.joinpath("secret", "copyright").write_text(DEP5)
    image.joinpath("doc", "liba").symlink_to(image / "secret")
    document(image, "libb", DEP5.encode())
    image.joinpath("doc", "libc").symlink_to("libb")
    contents = found([graft(image, "liba.so"), graft(image, "libc.so")])
    assert [(one.name, one.license) for one in contents.components] == [("liba", None), ("libc", "GPL-2.0-or-later")]


def test_file_of_no_package_is_named_by_its_hash(image: Path) -> None:
    (one,) = found([graft(image, "odd \u00fc?#@name.so.6")]).components
    purl = PackageURL.from_string(one.purl)
    assert (purl.type, purl.name, purl.qualifiers) == ("generic", one.name, {"checksum": f"sha256:{'cd' * 32}"})
    assert (one.license, one.source, one.files) == (None, None, ("demo.libs/odd \u00fc?#@name.so.6",))


@pytest.mark.usefixtures("image")
def test_texts_of_crates_are_taken_by_their_names_alone(tmp_path: Path) -> None:
    texts = tmp_path / "texts.zip"
    with zipfile.ZipFile(texts, "w") as bundle:
        bundle.writestr("itoa_1.0.9/LICENSE", b"MIT")
        bundle.writestr("../../evil", b"x")
        bundle.writestr("itoa_1.0.9/unasked", b"x")
    files = ["itoa_1.0.9/LICENSE", "../../evil", "itoa_1.0.9/missing"]
    crate = {"name": "itoa", "version": "1.0.9", "sha256": None, "license": "MIT", "license_files": files}
    contents = find_components([], [], [crate], texts, env={})
    assert contents.texts == {"crates/itoa_1.0.9/LICENSE": b"MIT"}
    assert contents.components[0].license_files == ("crates/itoa_1.0.9/LICENSE",)
    texts.write_bytes(b"no zip file")
    assert find_components([], [], [crate], texts, env={}).texts == {}


def test_distribution_without_a_name_has_a_purl_all_the_same() -> None:
    owner = Owner("a", "1", "a 1")
    assert Distribution("linux", "").purl(owner) == "pkg:deb/linux/a@1"
