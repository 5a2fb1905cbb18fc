"""What goes wrong while an image is made is told apart: a silent mirror, a vanished suite, a full disk, the rest."""

from pathlib import Path

import pytest

from wheelyard.adapters.image_failures import check_free_space, explain_failure
from wheelyard.errors import (
    DiskFullError,
    ImageBuildFailedError,
    MirrorUnreachableError,
    SuiteUnavailableError,
    WheelyardError,
)

NO_RELEASE = "E: The repository 'http://mirror.test/debian sarge Release' does not have a Release file."


@pytest.mark.parametrize(
    ("output", "error"),
    [
        (f"Err:1 http://mirror.test/debian sarge Release\n  404  Not Found\n{NO_RELEASE}", SuiteUnavailableError),
        ("E: The repository 'http://m.test sarge Release' no longer has a Release file.", SuiteUnavailableError),
        (f"Err:1\n  Could not connect to 127.0.0.1:9 (127.0.0.1).\n{NO_RELEASE}", MirrorUnreachableError),
        ("  Temporary failure resolving 'mirror.test'", MirrorUnreachableError),
        ("dpkg: error: failed to write: No space left on device", DiskFullError),
        ("E: You don't have enough free space in /var/cache/apt/archives/.", DiskFullError),
        ("E: Unable to locate package libnothing-dev", ImageBuildFailedError),
    ],
)
def test_output_of_a_failure_is_explained(output: str, error: type[WheelyardError]) -> None:
    assert type(explain_failure(output, image="wheelyard/base-sarge:1", suite="sarge")) is error


def test_vanished_suite_is_named_with_what_the_package_manager_said() -> None:
    error = explain_failure(NO_RELEASE, image="wheelyard/base-sarge:1", suite="sarge")
    assert "'sarge'" in error.summary
    assert NO_RELEASE in error.summary
    assert "stay in use" in error.hint


def test_full_disk_is_noticed_before_anything_is_written(tmp_path: Path) -> None:
    check_free_space(tmp_path, 0)
    with pytest.raises(DiskFullError):
        check_free_space(tmp_path, 1 << 60)
