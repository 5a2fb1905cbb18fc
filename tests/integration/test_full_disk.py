"""A disk that is really full: an error that says so, nothing half-written, and the images that are there stay."""

import asyncio
import functools
import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from packaging.version import Version
from tests.integration.test_image_promises import base_request
from tests.integration.test_images import BUILDERS, CATALOGUE
from tests.integration.test_toolchain_builds import engine_command

from wheelyard.adapters.images.base import bootstrap_base
from wheelyard.adapters.images.build import ImageOptions, ImageRun
from wheelyard.adapters.images.builder import ImageBuilder
from wheelyard.adapters.images.prune import ImagePruning
from wheelyard.adapters.images.refresh import ImageRefreshes, ImageUpkeep
from wheelyard.adapters.upstream.cache import ContentCache, PartialFile
from wheelyard.domain.catalogue.upkeep import PruneRules
from wheelyard.domain.packaging.release import IndexFile
from wheelyard.errors import DiskFullError

DISK_BYTES = 24 << 20

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="root only: it mounts a small disk")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of DISK_BYTES."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "none", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(disk: Path) -> None:
    """Write until nothing more fits."""
    with pytest.raises(OSError, match="No space left"):
        (disk / "filler").write_bytes(bytes(2 * DISK_BYTES))


def image_builder(folder: Path) -> ImageBuilder:
    return ImageBuilder(
        engine=engine_command(),
        catalogue=CATALOGUE,
        builders_dir=BUILDERS,
        cache_dir=folder / "cache",
        options=ImageOptions(lock_dir=folder / "locks", disk_floor_bytes=0),
    )


async def test_bootstrap_that_fills_the_disk(small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(small_disk))
    run = ImageRun(engine=engine_command(), options=ImageOptions(lock_dir=tmp_path, disk_floor_bytes=0))
    with pytest.raises(DiskFullError, match="base-bookworm"):
        await bootstrap_base(run, base_request("bookworm"), small_disk / "base.tar")
    assert await asyncio.to_thread(lambda: list(small_disk.glob("mmdebstrap*"))) == []


async def test_image_build_without_room_for_its_context_leaves_the_old_image(
    small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, on_small = image_builder(tmp_path), image_builder(small_disk)
    builder = await images.ensure_builder("bookworm")
    fill(small_disk)
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    for starved in (images, on_small):
        with pytest.raises(DiskFullError):
            await starved.ensure_environment(builder, ["zip", "unzip"])
    assert await images.ensure_builder("bookworm") == builder


def test_download_that_fills_the_disk_keeps_what_was_there_and_nothing_half_written(small_disk: Path) -> None:
    cache = ContentCache(root=small_disk, floor_bytes=0)
    old = PartialFile(cache, wanted("old.tar", b"old"))
    old.write(b"old")
    old.keep()
    partial = PartialFile(cache, wanted("large.tar", b"never"))
    partial.write(bytes(DISK_BYTES // 2))
    with pytest.raises(DiskFullError, match=str(small_disk)):
        partial.write(bytes(DISK_BYTES))
    partial.discard()
    assert cache.find(wanted("old.tar", b"old")) is not None
    assert [path.name for path in small_disk.rglob("*") if path.is_file()] == ["old.tar"]


def wanted(name: str, content: bytes) -> IndexFile:
    digest = hashlib.sha256(content).hexdigest()
    return IndexFile(filename=name, url="", sha256=digest, kind="sdist", version=Version("1"))


async def test_schedule_outlives_a_full_disk(small_disk: Path, tmp_path: Path) -> None:
    fill(small_disk)
    rules = PruneRules(budget_bytes=1 << 60, longest_build=timedelta(days=1))
    images = image_builder(tmp_path)
    current = functools.partial(images.definitions_of, ())
    pruning = ImagePruning(engine=engine_command(), folder=small_disk, rules=rules, current=current)
    upkeep = ImageUpkeep(images=images, folder=small_disk, pruning=pruning)
    refreshes = ImageRefreshes(upkeep, suites=[], folder=small_disk)
    assert not await refreshes.run_if_due(0.0)
    (small_disk / "filler").unlink()
    assert not await refreshes.run_if_due(0.0)
    assert await refreshes.run_if_due(0.0)
