"""Single files at the top of an sdist, read without unpacking it: no deeper ones, and none of what is no archive."""

import io
import tarfile
from pathlib import Path

import pytest
from tests.unit.sdist_files import PKG_INFO, SDIST, pack_sdist

from wheelyard.adapters.host.parser_pool import ParserProcesses
from wheelyard.adapters.resolver.sdists import read_brought_sdist, read_sdist_metadata, read_sdist_pyproject
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.wheel_files.received import ReceivedFile

FILES = {
    "demo-1.0/vendored/pyproject.toml": b"deeper",
    "demo-1.0/vendored/PKG-INFO": b"deeper",
    "demo-1.0/pyproject.toml": b"[build-system]",
    "demo-1.0/PKG-INFO": b"Name: demo",
}


def sdist(folder: Path, files: dict[str, bytes]) -> Path:
    path = folder / "demo-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_file_at_the_top_is_read(tmp_path: Path) -> None:
    archive = sdist(tmp_path, FILES)
    assert (read_sdist_metadata(archive), read_sdist_pyproject(archive)) == (b"Name: demo", b"[build-system]")


@pytest.mark.parametrize("files", [{}, {"demo-1.0/vendored/pyproject.toml": b"deeper"}, {"pyproject.toml": b"loose"}])
def test_file_that_is_not_at_the_top_is_none(tmp_path: Path, files: dict[str, bytes]) -> None:
    assert read_sdist_pyproject(sdist(tmp_path, files)) is None


def test_what_is_no_archive_has_none(tmp_path: Path) -> None:
    path = tmp_path / "demo-1.0.tar.gz"
    path.write_bytes(b"no archive")
    assert read_sdist_pyproject(path) is None


async def test_sdist_that_is_received_is_read_by_a_parser_process(tmp_path: Path) -> None:
    with ReceivedFile(tmp_path, limit_bytes=1 << 20, check_room=lambda _: None) as received:
        received.write(pack_sdist())
        async with ParserProcesses() as parsers:
            assert await parsers.run(read_brought_sdist, received.path, SDIST, what=SDIST) == PKG_INFO
            assert await parsers.run(read_brought_sdist, received.path, SDIST, what=SDIST) == PKG_INFO
            with pytest.raises(RefusedTextError, match="cannot be read"):
                await parsers.run(read_brought_sdist, received.path, "demo-1.0.zip", what=SDIST)
        assert received.read_part(0, 1 << 20) == pack_sdist()
