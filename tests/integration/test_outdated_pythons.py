"""``builders outdated`` against a small signed archive on loopback: apt checks its signature and hashes."""

import hashlib
import json
import lzma
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import Final

import pytest
from tests.integration.loopback_files import Mirror, serve_files

from wheelyard.cli.builders import OutdatedOptions, show_outdated
from wheelyard.domain.catalogue.catalogue import parse_catalogue
from wheelyard.errors import MirrorUnreachableError
from wheelyard.resources import data_path

SHA: Final = "ab" * 32
PATH: Final = "pool/main/p/python3.15/python3.15_3.15.99.orig.tar.xz"
SOURCES: Final = (
    "Package: python3.15\nBinary: python3.15\nVersion: 3.15.99-1\nFormat: 3.0 (quilt)\nArchitecture: any\n"
    "Files:\n 0123456789abcdef0123456789abcdef 2000 python3.15_3.15.99-1.dsc\n"
    f"Checksums-Sha256:\n {'0' * 64} 2000 python3.15_3.15.99-1.dsc\n {SHA} 22000000 {PATH.rpartition('/')[2]}\n"
    "Directory: pool/main/p/python3.15\n"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Archive:
    """A signed archive, and the keys that it may be checked with."""

    mirror: Mirror
    keyring: Path
    strange: Path
    """A keyring without its key."""


def gpg(home: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    command = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--no-tty", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    folder = tmp_path_factory.mktemp("archive")
    rings = []
    for name in ("ours", "strange"):
        home = folder / name
        home.mkdir(mode=0o700)
        gpg(home, "--passphrase", "", "--quick-gen-key", f"{name}@archive.test", "ed25519", "sign", "never")
        ring = folder / f"{name}.gpg"
        ring.write_bytes(gpg(home, "--export"))
        rings.append(ring)
    with serve_files() as mirror:
        index = lzma.compress(SOURCES.encode())
        lines = "".join(
            f" {hashlib.sha256(content).hexdigest()} {len(content)} main/source/{name}\n"
            for name, content in (("Sources", SOURCES.encode()), ("Sources.xz", index))
        )
        release = (
            f"Origin: test\nSuite: sid\nCodename: sid\nDate: {formatdate(usegmt=True)}\n"
            f"Architectures: amd64\nComponents: main\nSHA256:\n{lines}"
        )
        signed = gpg(folder / "ours", "--clearsign", stdin=release.encode())
        mirror.files |= {
            "dists/sid/InRelease": signed,
            "dists/sid/main/source/Sources.xz": index,
            PATH: lzma.compress(b""),
        }
        yield Archive(mirror=mirror, keyring=rings[0], strange=rings[1])


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHEELYARD_STATE_DIR", str(tmp_path / "state"))


def options(archive: Archive, *, keyring: Path | None = None, write: Path | None = None) -> OutdatedOptions:
    return OutdatedOptions(suites=["sid"], mirror=archive.mirror.url, keyring=keyring or archive.keyring, write=write)


def test_newer_release_is_named_with_its_signed_hash_and_whether_the_mirror_has_it(
    archive: Archive, capsys: pytest.CaptureFixture[str]
) -> None:
    show_outdated(options(archive), as_json=True)
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["version"], found["sha256"], found["path"], found["reachable"]) == ("3.15.99", SHA, PATH, True)
    assert f"{archive.mirror.url.removeprefix('http://')}" not in found["entry"]


def test_entry_is_written_once_into_a_catalogue(
    archive: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "builders.toml"
    shipped = (data_path("builders") / "builders.toml").read_text()
    file.write_text(shipped)
    show_outdated(options(archive, write=file), as_json=False)
    assert "Python 3.15.99" in capsys.readouterr().out
    added = parse_catalogue(file.read_text()).python["3.15"].source
    assert [one.version for one in added] == [
        "3.15.99",
        *(one.version for one in parse_catalogue(shipped).python["3.15"].source),
    ]
    assert added[0].mirrors[0] == "{apt}/" + PATH
    written = file.read_text()
    show_outdated(options(archive, write=file), as_json=False)
    assert file.read_text() == written
    assert "no Python of the catalogue has a newer release" in capsys.readouterr().err


def test_archive_that_another_key_signed_is_refused(archive: Archive) -> None:
    with pytest.raises(MirrorUnreachableError, match=r"not signed|NO_PUBKEY"):
        show_outdated(options(archive, keyring=archive.strange), as_json=True)


def test_index_that_is_not_the_signed_one_is_refused(archive: Archive) -> None:
    name = "dists/sid/main/source/Sources.xz"
    right = archive.mirror.files[name]
    archive.mirror.files[name] = lzma.compress(SOURCES.replace(SHA, "cd" * 32).encode())
    try:
        with pytest.raises(MirrorUnreachableError):
            show_outdated(options(archive), as_json=True)
    finally:
        archive.mirror.files[name] = right
