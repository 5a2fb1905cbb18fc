"""A source comes from the first mirror that has the promised bytes; what each of the others did is told."""

import hashlib
from pathlib import Path

import httpx
import pytest

from wheelyard.adapters.images import sources as image_sources
from wheelyard.adapters.images.build import ImageOptions
from wheelyard.adapters.images.sources import ImageSources, ToolsTarget, _read_wheels, source_file
from wheelyard.errors import DownloadFailedError, HashMismatchError

CONTENT = b"the source of Python"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
FILE = source_file(name="Python-3.13.5.tar.xz", version="3.13.5", sha256=SHA256)
GOOD, OTHER, GONE, SILENT = (f"http://{name}.test/p.tar.xz" for name in ("good", "other", "gone", "silent"))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Play the mirrors; gives what was asked of them, in order."""
    hosts: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        hosts.append(request.url.host.partition(".")[0])
        if hosts[-1] == "silent":
            raise httpx.ConnectError("nobody answers", request=request)
        contents = {"good": CONTENT, "other": b"other bytes"}
        content = contents.get(hosts[-1])
        return httpx.Response(404) if content is None else httpx.Response(200, content=content)

    def open_client(**_: object) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(answer))

    monkeypatch.setattr(image_sources, "open_client", open_client)
    monkeypatch.setattr(image_sources, "_RETRY_SECONDS", ())
    return hosts


async def fetch(folder: Path, *mirrors: str) -> Path:
    sources = ImageSources(cache_dir=folder, options=ImageOptions(lock_dir=folder, disk_floor_bytes=0))
    return await sources.fetch(FILE, mirrors=mirrors)


def kept(folder: Path) -> list[Path]:
    """List what was kept, beside the record of addresses that sent other bytes."""
    return [path for path in folder.rglob("*") if path.is_file() and path.name != "refused.json"]


async def test_mirrors_are_tried_in_order_until_one_has_the_bytes(tmp_path: Path, asked: list[str]) -> None:
    assert (await fetch(tmp_path, GONE, SILENT, OTHER, GOOD, OTHER)).read_bytes() == CONTENT
    assert asked == ["gone", "silent", "other", "good"]


async def test_file_that_was_fetched_is_not_asked_for_again(tmp_path: Path, asked: list[str]) -> None:
    first = await fetch(tmp_path, GOOD)
    assert await fetch(tmp_path, SILENT) == first
    assert asked == ["good"]


async def test_wrong_bytes_of_the_only_mirror_are_told_by_their_hash_and_not_kept(
    tmp_path: Path, asked: list[str]
) -> None:
    with pytest.raises(HashMismatchError) as caught:
        await fetch(tmp_path, OTHER)
    assert caught.value.expected == SHA256
    assert caught.value.found == hashlib.sha256(b"other bytes").hexdigest()
    assert (asked, kept(tmp_path)) == (["other"], [])


async def test_file_that_no_mirror_has_names_each_and_why(tmp_path: Path, asked: list[str]) -> None:
    with pytest.raises(DownloadFailedError) as caught:
        await fetch(tmp_path, GONE, OTHER, SILENT)
    gone, other, silent = caught.value.tried
    assert gone.startswith(f"{GONE} (it answered 404")
    assert other == f"{OTHER} (its sha256 is {hashlib.sha256(b'other bytes').hexdigest()})"
    assert silent.startswith(f"{SILENT} (")
    assert asked == ["gone", "other", "silent"]
    assert kept(tmp_path) == []


def test_one_wheel_of_each_tool_is_taken_where_several_would_run() -> None:
    """The PyPI has two of uv for aarch64, and an image build names it by a pattern."""
    names = (
        "uv-0.13.9-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64.whl",
        "uv-0.13.9-py3-none-manylinux_2_28_aarch64.whl",
    )
    wheels = [{"url": f"https://files.test/{name}", "hashes": {"sha256": f"{n}" * 64}} for n, name in enumerate(names)]
    answer = {"packages": [{"name": "uv", "version": "0.13.9", "wheels": wheels}]}
    lock = "\n".join(f"--hash=sha256:{n}" for n in ("0" * 64, "1" * 64))
    chosen = {
        platform: [one.filename for one in _read_wheels(answer, lock, ToolsTarget(python="3.13", platform=platform))]
        for platform in ("aarch64-manylinux_2_36", "aarch64-manylinux_2_17")
    }
    assert chosen == {"aarch64-manylinux_2_36": [names[1]], "aarch64-manylinux_2_17": [names[0]]}
