"""Files at addresses, fetched over HTTP: from listed hosts only, checked by hash, and within limits."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.version import Version
from tests.integration.file_host import FileHost, file_host

from wheelyard.adapters.upstream.addresses import AddressOptions, FileAddresses
from wheelyard.adapters.upstream.cache import ContentCache
from wheelyard.domain.builds.file_source import ADDRESS_SCHEME, FileHosts
from wheelyard.domain.packaging.release import IndexFile
from wheelyard.errors import DownloadFailedError, FileHostRefusedError, HashMismatchError

CONTENT = b"an sdist" * 1000
PATH = "/acme/demo-1.0.tar.gz"


@pytest.fixture
def host() -> Iterator[FileHost]:
    with file_host() as opened:
        opened.files[PATH] = CONTENT
        yield opened


@pytest.fixture
def other() -> Iterator[FileHost]:
    with file_host() as opened:
        opened.files["/x"] = CONTENT
        yield opened


def addresses(folder: Path, *hosts: str, limit_bytes: int = 1 << 20) -> FileAddresses:
    options = AddressOptions(hosts=FileHosts.of(hosts), limit_bytes=limit_bytes, retry_pauses=())
    return FileAddresses(options, ContentCache(root=folder / "cache", floor_bytes=0))


def at(address: str, content: bytes = CONTENT) -> IndexFile:
    return IndexFile(
        filename="demo-1.0.tar.gz",
        url=f"{ADDRESS_SCHEME}:{address}",
        sha256=hashlib.sha256(content).hexdigest(),
        kind="sdist",
        version=Version("1.0"),
    )


def leftovers(folder: Path) -> list[Path]:
    return [path for path in (folder / "cache").rglob("*") if path.is_file()]


async def test_file_of_a_listed_host_is_fetched_once(tmp_path: Path, host: FileHost) -> None:
    fetcher = addresses(tmp_path, f"{host.url}/acme")
    for _ in range(2):
        assert (await fetcher.fetch(at(host.url + PATH))).read_bytes() == CONTENT
    assert host.asked == [PATH]


async def test_host_or_folder_that_is_not_listed_is_not_asked(tmp_path: Path, host: FileHost, other: FileHost) -> None:
    fetcher = addresses(tmp_path, f"{host.url}/acme")
    with pytest.raises(FileHostRefusedError) as caught:
        await fetcher.fetch(at(f"{other.url}/x"))
    assert f'WHEELYARD_FILE_HOSTS=["{other.url}"]' in caught.value.hint
    for path in ("/x", "/acme/../x", "/acme/%2e%2e/x", "/acme%2f..%2fx", "/acmeother/x"):
        with pytest.raises(FileHostRefusedError):
            await fetcher.fetch(at(host.url + path))
    assert host.asked == other.asked == []


async def test_redirect_is_followed_to_listed_hosts_only(tmp_path: Path, host: FileHost, other: FileHost) -> None:
    host.redirects[PATH] = f"{other.url}/x?signature=secret"
    with pytest.raises(FileHostRefusedError) as caught:
        await addresses(tmp_path, host.url).fetch(at(host.url + PATH))
    assert other.url in caught.value.hint
    assert "secret" not in str(caught.value)
    assert other.asked == []
    found = await addresses(tmp_path, host.url, other.url).fetch(at(host.url + PATH))
    assert found.read_bytes() == CONTENT
    assert other.asked == ["/x?signature=secret"]


async def test_redirects_without_an_end_are_given_up(tmp_path: Path, host: FileHost) -> None:
    host.redirects[PATH] = PATH
    with pytest.raises(DownloadFailedError, match="redirects more than 5 times"):
        await addresses(tmp_path, host.url).fetch(at(host.url + PATH))
    assert len(host.asked) == 6


async def test_other_bytes_too_many_bytes_and_no_file_leave_nothing_behind(tmp_path: Path, host: FileHost) -> None:
    with pytest.raises(HashMismatchError):
        await addresses(tmp_path, host.url).fetch(at(host.url + PATH, b"another"))
    with pytest.raises(DownloadFailedError, match="larger than the limit"):
        await addresses(tmp_path, host.url, limit_bytes=100).fetch(at(host.url + PATH))
    with pytest.raises(DownloadFailedError, match="404"):
        await addresses(tmp_path, host.url).fetch(at(f"{host.url}/acme/gone-1.0.tar.gz"))
    assert leftovers(tmp_path) == []
