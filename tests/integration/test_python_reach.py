"""Which Pythons a host can have, against a mirror on loopback that serves a tarball under upstream's name."""

import hashlib
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from tests.integration.loopback_files import Mirror, serve_files

from wheelyard.adapters.engine.command import EngineCommand
from wheelyard.adapters.images import python_sources
from wheelyard.adapters.images.build import ImageOptions
from wheelyard.adapters.images.builder import ImageBuilder
from wheelyard.adapters.images.python_sources import PythonSources
from wheelyard.adapters.images.sources import ImageSources
from wheelyard.domain.catalogue.catalogue import Catalogue, PythonSource, parse_catalogue
from wheelyard.domain.catalogue.images import ImageRecord
from wheelyard.domain.catalogue.reach import PythonReach
from wheelyard.errors import DownloadFailedError

BUILDERS: Final = Path(__file__).parents[2] / "builders"
TARBALL: Final = lzma.compress(b"the source of a Python " * 100_000)
OTHER: Final = lzma.compress(b"something else")
NAME: Final = "python/3.15.2/Python-3.15.2.tar.xz"
BASE: Final = ImageRecord(id="base", tags=("base:1",), role="base", definition="", labels={}, size_bytes=0, created="")


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with serve_files() as found:
        yield found


class Host:
    """A host without an engine, whose every address is on the mirror."""

    def __init__(self, mirror: Mirror, folder: Path) -> None:
        options = ImageOptions(
            lock_dir=folder,
            architecture="x86_64",
            apt_mirror=f"{mirror.url}/debian",
            python_mirror=f"{mirror.url}/python",
            machine="x86_64",
        )
        self.catalogue = _catalogue(mirror)
        self.images = ImageBuilder(
            engine=EngineCommand(program="false"),
            catalogue=self.catalogue,
            builders_dir=BUILDERS,
            cache_dir=folder / "cache",
            options=options,
        )
        self.pythons = PythonSources(
            images=self.images,
            catalogue=self.catalogue,
            sources=ImageSources(cache_dir=folder / "cache", options=options),
            architectures=("x86_64", "aarch64"),
        )

    async def look(self, python: str, suite: str = "bookworm", architecture: str = "x86_64") -> PythonReach:
        """Ask the mirror, and return what is known of a Python."""
        found = await self.pythons.look()
        return next(one for one in found if one.key == (architecture, suite, python))

    async def fetch(self, python: str) -> Path:
        """Fetch a source as a build of its image does."""
        _, path = await self.images._fetch_source(self.catalogue.cpython(python), BASE)
        return path


def _catalogue(mirror: Mirror) -> Catalogue:
    """Return the catalogue with one release for each Python, whose upstream is on the mirror too."""
    catalogue = parse_catalogue((BUILDERS / "builders.toml").read_text())
    digest = hashlib.sha256(TARBALL).hexdigest()
    pythons = {
        line: entry.model_copy(
            update={
                "source": (
                    PythonSource(
                        version=f"{line}.2",
                        sha256=digest,
                        file=f"Python-{line}.2.tar.xz",
                        mirrors=("{apt}/python.orig.tar.xz", f"{mirror.url}/upstream/{line}.2"),
                    ),
                )
            }
        )
        for line, entry in catalogue.python.items()
    }
    return catalogue.model_copy(update={"python": pythons})


@pytest.fixture
def host(mirror: Mirror, tmp_path: Path) -> Host:
    mirror.files["python/3.13.2/Python-3.13.2.tar.xz"] = TARBALL  # the tools' Python, which every builder has
    return Host(mirror, tmp_path)


async def test_python_without_a_source_is_unreachable_and_says_what_was_tried(host: Host, mirror: Mirror) -> None:
    found = await host.look("3.15t")
    assert not found.reachable
    assert [str(one) for one in found.tried] == [
        f"{mirror.url}/{NAME} (it answered 404 Not Found)",
        f"{mirror.url}/debian/python.orig.tar.xz (it answered 404 Not Found)",
        f"{mirror.url}/upstream/3.15.2 (it answered 404 Not Found)",
    ]
    assert (await host.look("3.13")).reachable


async def test_mirror_with_the_tarball_makes_both_of_its_pythons_reachable_for_a_few_bytes(
    host: Host, mirror: Mirror
) -> None:
    mirror.files[NAME] = TARBALL
    for python in ("3.15", "3.15t"):
        found = await host.look(python)
        assert (found.reachable, found.version) == (True, "3.15.2")
        assert (await host.look(python, architecture="aarch64")).reachable
    assert all(one.endswith("bytes=0-63") for one in mirror.asked)
    assert host.pythons.newest.default_python(host.catalogue, "manylinux_2_36_x86_64") == "3.15"


async def test_source_is_fetched_from_there_by_its_hash_and_then_needs_no_mirror(host: Host, mirror: Mirror) -> None:
    mirror.files[NAME] = TARBALL
    assert (await host.fetch("3.15")).read_bytes() == TARBALL
    mirror.files.clear()
    assert (await host.look("3.15", "trixie")).reachable is False  # the tools' Python is not there any more
    mirror.files["python/3.13.2/Python-3.13.2.tar.xz"] = TARBALL
    assert (await host.look("3.15", "trixie")).reachable


async def test_wrong_hash_is_named_until_the_mirror_has_other_bytes(host: Host, mirror: Mirror) -> None:
    mirror.files[NAME] = OTHER
    assert (await host.look("3.15")).reachable  # its first bytes say no more
    with pytest.raises(DownloadFailedError, match=hashlib.sha256(OTHER).hexdigest()):
        await host.fetch("3.15")
    (found, *_) = (await host.look("3.15")).tried
    assert found.answer == (
        f"its sha256 is {hashlib.sha256(OTHER).hexdigest()}, and not {hashlib.sha256(TARBALL).hexdigest()}"
    )
    current = await host.pythons.current()
    assert not next(one for one in current or () if one.python == "3.15").reachable
    mirror.files[NAME] = TARBALL
    assert (await host.look("3.15")).reachable


async def test_page_in_the_place_of_a_tarball_is_no_source(host: Host, mirror: Mirror) -> None:
    mirror.files[NAME] = b"<html>please sign in</html>"
    (found, *_) = (await host.look("3.15")).tried
    assert found.answer == "it sent no compressed tarball"


async def test_nothing_is_said_before_the_first_look(host: Host) -> None:
    assert await host.pythons.current() is None


async def test_python_whose_images_are_on_the_engine_needs_no_source(
    host: Host, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror.files.clear()
    plan = await host.images.plan("bookworm")
    names = (plan.builder_name("3.14t"), plan.runtime_name("3.14t"))

    async def list_images(_: EngineCommand) -> tuple[ImageRecord, ...]:
        return tuple(
            ImageRecord(
                id=name.tag,
                tags=(name.tag,),
                role=name.name.partition("-")[0],
                definition=name.definition,
                labels={"python-version": "3.14.2"},
                size_bytes=0,
                created="2026-12-01T00:00:00Z",
            )
            for name in names
        )

    monkeypatch.setattr(python_sources, "list_images", list_images)
    found = await host.look("3.14t")
    assert (found.reachable, found.version) == (True, "3.14.2")
    # Its images are of this machine; those of an emulated one need the source.
    assert not (await host.look("3.14t", architecture="aarch64")).reachable
    assert not (await host.look("3.14")).reachable
    assert not (await host.look("3.14t", "trixie")).reachable
