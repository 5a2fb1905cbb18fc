"""Which release of CPython's source is used: the newest that can be had with the promised bytes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from wheelyard.adapters.engine.command import EngineCommand
from wheelyard.adapters.images.build import ImageOptions
from wheelyard.adapters.images.builder import ImageBuilder
from wheelyard.adapters.images.sources import ImageSources
from wheelyard.domain.catalogue.catalogue import parse_catalogue
from wheelyard.domain.catalogue.images import ImageRecord
from wheelyard.domain.packaging.release import IndexFile
from wheelyard.errors import DownloadFailedError, HashMismatchError, OperatorError

BUILDERS = Path(__file__).parents[3] / "builders"
CATALOGUE = parse_catalogue((BUILDERS / "builders.toml").read_text())
BASE = ImageRecord(id="base", tags=("base:1",), role="base", definition="", labels={}, size_bytes=0, created="")
NEWEST, OLDER, *_ = (source.version for source in CATALOGUE.python["3.13"].source)
OLDEST = CATALOGUE.python["3.13"].source[-1].version
GONE = DownloadFailedError(what="the file", tried=["http://mirror.test (it answered 404)"])
OTHER_BYTES = HashMismatchError(what="the file", expected="a", found="b")


class FakeSources(ImageSources):
    """Has what it is told to have."""

    def __init__(self, failures: Mapping[str, OperatorError]) -> None:
        self._failures = failures
        self.asked: list[str] = []

    async def fetch(self, file: IndexFile, *, mirrors: Sequence[str]) -> Path:
        self.asked += mirrors
        if str(file.version) in self._failures:
            raise self._failures[str(file.version)]
        return Path(file.filename)


async def fetch(sources: FakeSources, tmp_path: Path) -> tuple[str, list[str]]:
    options = ImageOptions(lock_dir=tmp_path, apt_mirror="http://apt.test/debian/")
    builder = ImageBuilder(
        engine=EngineCommand(), catalogue=CATALOGUE, builders_dir=BUILDERS, cache_dir=tmp_path, options=options
    )
    lines: list[str] = []
    builder = builder.reporting_to(lines.append)
    builder._sources = sources
    source, _ = await builder._fetch_source(CATALOGUE.python["3.13"], BASE)
    return source.version, lines


async def test_newest_release_is_used_while_a_mirror_has_it(tmp_path: Path) -> None:
    sources = FakeSources({})
    assert (await fetch(sources, tmp_path))[0] == NEWEST
    assert sources.asked[0].startswith("http://apt.test/debian/pool/main/p/python3.13/")


@pytest.mark.parametrize("failure", [GONE, OTHER_BYTES], ids=["gone", "other-bytes"])
async def test_older_release_is_used_when_the_newest_cannot_be_had_and_the_log_says_so(
    tmp_path: Path, failure: OperatorError
) -> None:
    version, lines = await fetch(FakeSources({NEWEST: failure}), tmp_path)
    assert version == OLDER
    assert any(failure.summary in line and "older release" in line for line in lines)


async def test_failure_of_all_names_what_was_tried_for_each(tmp_path: Path) -> None:
    with pytest.raises(DownloadFailedError) as caught:
        await fetch(FakeSources({NEWEST: GONE, OLDER: OTHER_BYTES, OLDEST: GONE}), tmp_path)
    assert len(caught.value.tried) == 3
    assert f"Python-{OLDER}.tar.xz" in caught.value.summary
