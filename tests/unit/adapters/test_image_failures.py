"""What goes wrong while an image is made is told apart: a silent mirror, a vanished suite, a full disk, the rest."""

from pathlib import Path

import pytest

from wheelyard.adapters.engine.command import EngineCommand
from wheelyard.adapters.host.disk import check_free_space
from wheelyard.adapters.images.base import BaseRequest, bootstrap_base
from wheelyard.adapters.images.build import ImageOptions, ImageRun, explain_failure, find_unknown_packages
from wheelyard.domain.catalogue.catalogue import parse_catalogue
from wheelyard.domain.catalogue.images import ImageRecord
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


@pytest.mark.parametrize(
    ("output", "names"),
    [
        ("Reading...\nE: Unable to locate package libone-dev\nE: Unable to locate package two", ("libone-dev", "two")),
        ("Package one is not available\nE: Package 'libone-dev' has no installation candidate", ("libone-dev",)),
        ("E: Unable to locate package g++-99\nThe command returned a non-zero code: 100", ("g++-99",)),
        ("No match for argument: one-devel\nError: Unable to find a match: one-devel", ("one-devel",)),
        (
            "ERROR: unable to select packages:\n  one-dev (no such package):\n    required by: world[one-dev]",
            ("one-dev",),
        ),
        ("Reading package lists...\nDone\ndpkg: error processing package one (--configure)", ()),
    ],
)
def test_unknown_packages_are_named(output: str, names: tuple[str, ...]) -> None:
    assert find_unknown_packages(output) == names


def test_vanished_suite_is_named_with_what_the_package_manager_said() -> None:
    error = explain_failure(NO_RELEASE, image="wheelyard/base-sarge:1", suite="sarge")
    assert "'sarge'" in error.summary
    assert NO_RELEASE in error.summary
    assert "stay in use" in error.hint


@pytest.mark.parametrize("date", ["", "yesterday", "Tue, 99 Nov 2026 00:00:00 UTC"])
async def test_release_file_with_a_date_that_is_none_is_an_error_with_the_file(tmp_path: Path, date: str) -> None:
    program = tmp_path / "mmdebstrap"
    program.write_text(f"#!/bin/sh\necho 'wheelyard-release mirror.test_debian_dists_bookworm_InRelease {date}'\n")
    program.chmod(0o755)
    options = ImageOptions(lock_dir=tmp_path, architecture="x86_64", mmdebstrap_program=str(program))
    with pytest.raises(ImageBuildFailedError, match=r"dists_bookworm_InRelease has the date"):
        await bootstrap_base(ImageRun(engine=EngineCommand(), options=options), base_request(), tmp_path / "x.tar")


async def test_suite_of_a_past_moment_comes_from_its_snapshot(tmp_path: Path) -> None:
    program = tmp_path / "mmdebstrap"
    program.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    program.chmod(0o755)
    options = ImageOptions(lock_dir=tmp_path, architecture="x86_64", mmdebstrap_program=str(program))
    request, lines = (
        base_request(
            snapshot="20261101T000000Z",
            mirror="https://past.test/debian/{snapshot}/",
            security_mirror="https://past.test/debian-security/{snapshot}",
        ),
        list[str](),
    )
    run = ImageRun(engine=EngineCommand(), options=options, report=lines.append)
    await bootstrap_base(run, request, tmp_path / "x.tar")
    assert lines[-3:] == [
        "deb [check-valid-until=no] https://past.test/debian/20261101T000000Z bookworm main",
        "deb [check-valid-until=no] https://past.test/debian/20261101T000000Z bookworm-updates main",
        "deb [check-valid-until=no] https://past.test/debian-security/20261101T000000Z bookworm-security main",
    ]


def base_request(**changes: object) -> BaseRequest:
    shipped = parse_catalogue((Path(__file__).parents[3] / "builders" / "builders.toml").read_text())
    entry = shipped.own_suites["bookworm"].model_copy(update=changes)
    return BaseRequest(suite="bookworm", definition="0" * 64, source_date_epoch=0, entry=entry)


def test_full_disk_is_noticed_before_anything_is_written(tmp_path: Path) -> None:
    check_free_space(tmp_path, 0)
    with pytest.raises(DiskFullError):
        check_free_space(tmp_path, 1 << 60)


ASKED = ImageRecord(
    id="sha256:1",
    tags=("wheelyard/base-sarge:1",),
    role="base",
    definition="d",
    labels={"suite": "sarge"},
    size_bytes=1,
    created="2026-12-02T00:00:00Z",
)


def asking(folder: Path, script: str, options: ImageOptions | None = None) -> ImageRun:
    """Make what asks an archive where a script plays the engine."""
    program = folder / "engine"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return ImageRun(engine=EngineCommand(program=str(program)), options=options or ImageOptions(lock_dir=folder))


async def test_archive_is_asked_as_root_with_the_network_and_the_proxy_of_image_builds(tmp_path: Path) -> None:
    options = ImageOptions(lock_dir=tmp_path, proxy="http://proxy.test:3128", build_network="host")
    run = asking(tmp_path, 'printf "%s\\n" "$@"', options)
    said = (await run.ask_archive(ASKED, "apt-get update")).text.splitlines()
    assert said[:4] == ["run", "--rm", "--user", "0:0"]
    assert said[said.index("--network") + 1] == "host"
    assert {"LC_ALL=C.UTF-8", "http_proxy=http://proxy.test:3128", "https_proxy=http://proxy.test:3128"} <= set(said)
    assert said[-4:] == ["sha256:1", "sh", "-euc", "apt-get update"]


async def test_archive_that_does_not_answer_is_told_from_one_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(MirrorUnreachableError):
        await asking(tmp_path, "echo 'Could not connect to 127.0.0.1:9' >&2; exit 1").ask_archive(ASKED, "x")
    with pytest.raises(SuiteUnavailableError):
        await asking(tmp_path, f'echo "{NO_RELEASE}" >&2; exit 1').ask_archive(ASKED, "x")
