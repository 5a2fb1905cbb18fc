"""What a caller sends from its own disk: which texts mean it, and the version that never stands for a release."""

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from wheelyard.domain.builds.build import SdistSource, SourceKind
from wheelyard.domain.builds.key import source_digest
from wheelyard.domain.builds.local_source import LocalKind, LocalOrigin, is_local_path, split_local, version_of_wheel

SHA256 = "0123456789abcdef" * 4


def origin(**fields: object) -> LocalOrigin:
    known: dict[str, object] = {
        "kind": LocalKind.FOLDER,
        "name": "demo",
        "sha256": SHA256,
        "size_bytes": 10,
        "sent_by": "me (0e3c2b1a)",
    }
    return LocalOrigin(**{**known, **fields})  # type: ignore[arg-type]  # as the tests name them


@pytest.mark.parametrize(
    ("made", "wheel"),
    [
        ("1.2", "1.2.dev0+l0123456789ab"),
        ("1.2.dev3", "1.2.dev3+l0123456789ab"),
        ("1.2rc1", "1.2rc1.dev0+l0123456789ab"),
        ("1!2.post1", "1!2.post1.dev0+l0123456789ab"),
        ("0.1.dev1+gabcdef0", "0.1.dev1+gabcdef0.l0123456789ab"),
        ("1.2+l0123456", "1.2.dev0+l0123456"),
    ],
)
def test_version_is_a_development_release_that_no_release_s_specifier_takes(made: str, wheel: str) -> None:
    version = version_of_wheel(Version(made), origin())
    assert str(version) == wheel
    assert version.is_devrelease
    assert version < Version(Version(made).public) or Version(made).is_devrelease
    assert not SpecifierSet(f"=={Version('1.2')}").contains(version)


@pytest.mark.parametrize(
    "text", [".", "..", "./demo", "../demo", "/srv/demo", "libs/demo", "~/demo", "demo-1.0.tar.gz"]
)
def test_path_is_one_and_may_have_a_name_before_it(text: str) -> None:
    assert is_local_path(text)
    assert is_local_path(f"Demo @ {text}")
    assert split_local(text) == (None, text)
    assert split_local(f"Demo @ {text}") == ("Demo", text)


@pytest.mark.parametrize(
    "text", ["demo", "demo>=1,<2", "demo[extra]==1.0", "demo; python_version < '3'", "https://x.example/demo.tar.gz"]
)
def test_requirement_is_no_path(text: str) -> None:
    assert not is_local_path(text)


def test_key_counts_content_kind_and_tag_but_not_who_sent_it_or_the_folder_s_name() -> None:
    def digest(**fields: object) -> str:
        source = SdistSource(
            filename="", url="upload:1", sha256="", size_bytes=None, kind=SourceKind.LOCAL, local=origin(**fields)
        )
        return source_digest(source)

    assert digest() == digest(sent_by="you (1)", name="other", commit="ab" * 20, version="1.0", size_bytes=11)
    others: list[dict[str, object]] = [{"sha256": "ab" * 32}, {"tag": "v1"}, {"kind": LocalKind.SDIST}]
    others.append({"kind": LocalKind.SDIST, "name": "demo-2.0.tar.gz"})
    assert len({digest(), *(digest(**one) for one in others)}) == 5
