"""Brought sdists: their names, their files, and whether their metadata holds for wheels too."""

import pytest
from packaging.version import Version
from tests.unit.wheel_harness import WheelHarness

from wheelyard.domain.index.sdists import is_reliable
from wheelyard.domain.untrusted.file_names import find_sdist_name, read_sdist_name
from wheelyard.domain.untrusted.refusal import RefusedTextError


@pytest.mark.parametrize(
    ("head", "reliable"),
    [
        ("Metadata-Version: 2.2", True),
        ("Metadata-Version: 2.4", True),
        ("Metadata-Version: 10.0", True),
        ("Metadata-Version: 2.1", False),
        ("Metadata-Version: 1.2", False),
        ("Metadata-Version: 2.4\nDynamic: Requires-Dist", False),
        ("Metadata-Version: 2.4\nDynamic: License", False),
        ("Metadata-Version: new", False),
        ("Summary: no version", False),
    ],
)
def test_metadata_of_an_sdist_is_reliable_only_if_nothing_may_change(head: str, reliable: bool) -> None:  # noqa: FBT001
    assert is_reliable(f"{head}\nName: demo\nVersion: 1.0\n".encode()) is reliable


def test_metadata_that_cannot_be_read_is_not_reliable() -> None:
    assert not is_reliable(b"Metadata-Version: 2.4\n" + b"Classifier: x\n" * 200_000)


@pytest.mark.parametrize(
    ("filename", "project", "version"),
    [
        ("demo-1.0.tar.gz", "demo", "1.0"),
        ("Acme.Core_Tools-1.0rc1.tar.gz", "acme-core-tools", "1.0rc1"),
        ("demo-1.0.zip", "demo", "1.0"),
        ("demo-1.0+local.1.tar.gz", "demo", "1.0+local.1"),
    ],
)
def test_name_of_an_sdist_gives_project_and_version(filename: str, project: str, version: str) -> None:
    assert read_sdist_name(filename) == (project, Version(version))


@pytest.mark.parametrize(
    "filename",
    [
        "demo-1.0-py3-none-any.whl",
        "demo-1.0.tar.bz2",
        "demo.tar.gz",
        "-1.0.tar.gz",
        "../demo-1.0.tar.gz",
        "a/demo-1.0.tar.gz",
        "de mo-1.0.tar.gz",
        "demo\n-1.0.tar.gz",
        "demo-dev.tar.gz",
        "demo-1.0\n.tar.gz",
        f"{'x' * 300}-1.0.tar.gz",
        f"demo-1.{'1' * 2000}.tar.gz",
        "pyproject.toml",
    ],
)
def test_other_names_are_refused(filename: str) -> None:
    assert find_sdist_name(filename) is None
    with pytest.raises(RefusedTextError):
        read_sdist_name(filename)


def test_sdist_is_a_file_to_build_from_whose_address_does_not_depend_on_where_it_is() -> None:
    file = WheelHarness().bring("Demo.Tool-1.0.tar.gz").as_file()
    assert (file.url, file.kind, file.version, file.project) == (
        "sdist:Demo.Tool-1.0.tar.gz",
        "sdist",
        Version("1.0"),
        "demo-tool",
    )
    assert (file.requires_python, file.own) == (">=3.9,<4", False)
