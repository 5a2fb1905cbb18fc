"""The archive of Debian 12 is read in a container of its own image, verified by apt, and answers at once."""

import os
import resource
import shutil
import time
from pathlib import Path

import pytest
from tests.image_locks import IMAGE_LOCKS

from wheelyard.adapters.archives.local import LocalArchives
from wheelyard.adapters.archives.reader import read_archive
from wheelyard.adapters.archives.stored import StoredArchives
from wheelyard.adapters.engine.command import EngineCommand, container_ulimits
from wheelyard.adapters.images.build import ImageOptions
from wheelyard.adapters.images.builder import ImageBuilder
from wheelyard.domain.catalogue.archive_files import FileKind, WantedFile
from wheelyard.domain.catalogue.catalogue import parse_catalogue

BUILDERS = Path(__file__).parents[2] / "builders"
CATALOGUE = parse_catalogue((BUILDERS / "builders.toml").read_text())
KEY = ("bookworm", "x86_64")


@pytest.fixture
def archives(tmp_path: Path) -> StoredArchives:
    program = os.environ.get("WHEELYARD_ENGINE") or next(filter(shutil.which, ("docker", "podman")), "docker")
    limit = min(16384, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    images = ImageBuilder(
        engine=EngineCommand(program=program, ulimits=container_ulimits(program, open_files=limit)),
        catalogue=CATALOGUE,
        builders_dir=BUILDERS,
        cache_dir=tmp_path / "images",
        options=ImageOptions(lock_dir=IMAGE_LOCKS),
    )
    return StoredArchives(
        LocalArchives(tmp_path / "archives"),
        catalogue=CATALOGUE,
        cache=tmp_path / "archives",
        architectures=("x86_64",),
        read=lambda suite, architecture: read_archive(images, suite, architecture),
        keep_seconds=86400,
    )


async def test_archive_of_debian_answers_for_each_kind_of_file(archives: StoredArchives) -> None:
    for kind, name, package in (
        (FileKind.HEADER, "fftw3.h", "libfftw3-dev"),
        (FileKind.HEADER, "libxml/parser.h", "libxml2-dev"),
        (FileKind.PKG_CONFIG, "smbclient", "libsmbclient-dev"),
        (FileKind.LIBRARY, "mecab", "libmecab-dev"),
        (FileKind.PROGRAM, "mecab-config", "libmecab-dev"),
        (FileKind.SONAME, "libexpat.so.1", "libexpat1"),
        (FileKind.CMAKE, "OpenCV", "libopencv-dev"),
    ):
        found = await archives.find(*KEY, WantedFile(kind=kind, name=name))
        assert found[0].package == package
    assert await archives.version(*KEY, "libfftw3-dev") == "3.3.10-1"
    began = time.perf_counter()
    for _ in range(100):
        await archives.find(*KEY, WantedFile(kind=FileKind.HEADER, name="fftw3.h"))
    assert (time.perf_counter() - began) / 100 < 0.02, "a look-up takes about a millisecond, and the machine is busy"
