"""What every store of archives' indexes, and everything that asks archives, must keep."""

import contextlib
import gzip
from datetime import UTC, datetime, timedelta

import pytest

from wheelyard.domain.builds.components import SourcePackage
from wheelyard.domain.catalogue.archive_files import FileKind, WantedFile
from wheelyard.domain.catalogue.archive_index import pack_archive
from wheelyard.errors import NotFoundError
from wheelyard.interfaces import ArchiveStore, SuiteArchives

KEY = ("bookworm", "x86_64")
LISTED = b"""\
libfftw3-dev\t3.3.10-1\t5484544\tlibdevel\tlibfftw3-bin (= 3.3.10-1)
libfftw3-bin\t3.3.10-1\t100\tlibs\t
--
usr/include/fftw3.h                                     libdevel/libfftw3-dev
--
fftw3\t3.3.10-1\thttp://deb.example/debian/pool/main/f/fftw3\t%s:12:fftw3_3.3.10-1.dsc,%s:34:fftw3_3.3.10.orig.tar.gz
""" % (b"ab" * 32, b"cd" * 32)
PACKED = pack_archive(gzip.compress(LISTED))
HEADER = WantedFile(kind=FileKind.HEADER, name="fftw3.h")


class ArchiveStoreContract:
    """The subclass has the fixture ``store``."""

    async def test_store_without_an_index_says_so(self, store: ArchiveStore) -> None:
        assert await store.look_up(*KEY) is None
        assert await store.load(*KEY) is None

    async def test_index_is_kept_for_its_suite_and_architecture(self, store: ArchiveStore) -> None:
        await store.save(*KEY, PACKED)
        assert await store.load(*KEY) == PACKED
        assert await store.load("bookworm", "aarch64") is None
        assert await store.load("trixie", "x86_64") is None
        found = await store.look_up(*KEY)
        assert found is not None
        assert abs(datetime.now(UTC) - found.read_at) < timedelta(minutes=5)

    async def test_digest_tells_a_newer_index_from_an_older_one(self, store: ArchiveStore) -> None:
        await store.save(*KEY, PACKED)
        first = await store.look_up(*KEY)
        await store.save(*KEY, PACKED + b" ")
        second = await store.look_up(*KEY)
        assert first is not None
        assert second is not None
        assert first.digest != second.digest
        assert await store.load(*KEY) == PACKED + b" "


class SharedArchiveStoreContract(ArchiveStoreContract):
    """Of stores that several processes share."""

    async def test_one_process_reads_an_archive_at_a_time(self, store: ArchiveStore) -> None:
        async with store.reading(*KEY) as first, store.reading(*KEY) as second:
            assert (first, second) == (True, False)
            async with store.reading("trixie", "x86_64") as other:
                assert other
        async with store.reading(*KEY) as again:
            assert again

    async def test_archive_that_failed_can_be_read_again_at_once(self, store: ArchiveStore) -> None:
        with contextlib.suppress(ZeroDivisionError):
            async with store.reading(*KEY) as ours:
                assert ours
                raise ZeroDivisionError
        async with store.reading(*KEY) as ours:
            assert ours
        assert await store.look_up(*KEY) is None

    async def test_archive_is_asked_for_until_it_is_read(self, store: ArchiveStore) -> None:
        assert await store.list_asked("x86_64") == ()
        await store.ask_for(*KEY)
        await store.ask_for(*KEY)
        assert await store.list_asked("x86_64") == ("bookworm",)
        assert await store.list_asked("aarch64") == ()
        await store.save(*KEY, PACKED)
        assert await store.list_asked("x86_64") == ()
        assert await store.load(*KEY) == PACKED
        await store.ask_for(*KEY)
        assert await store.list_asked("x86_64") == ("bookworm",)
        assert await store.load(*KEY) == PACKED, "the old index stays in use until there is a new one"


class SuiteArchivesContract:
    """The subclass has the fixture ``archives``, whose bookworm has libfftw3-dev with fftw3.h."""

    async def test_package_of_a_file_is_found(self, archives: SuiteArchives) -> None:
        (found,) = await archives.find(*KEY, HEADER)
        assert found.package == "libfftw3-dev"
        assert found.path.endswith("/fftw3.h")
        assert found.installed_bytes > 0

    async def test_file_that_no_package_holds_is_found_nowhere(self, archives: SuiteArchives) -> None:
        assert await archives.find(*KEY, WantedFile(kind=FileKind.HEADER, name="nothing.h")) == ()
        assert await archives.find(*KEY, WantedFile(kind=FileKind.PROGRAM, name="fftw3.h")) == ()

    async def test_package_has_the_version_of_the_archive(self, archives: SuiteArchives) -> None:
        (found,) = await archives.find(*KEY, HEADER)
        assert await archives.version(*KEY, "libfftw3-dev") == found.version
        assert await archives.version(*KEY, "libfftw4-dev") is None

    async def test_source_package_has_the_files_of_its_version(self, archives: SuiteArchives) -> None:
        await archives.find(*KEY, HEADER)
        found = await archives.source(*KEY, SourcePackage(name="fftw3", version="3.3.10-1"))
        assert found is not None
        assert {one.name.rpartition(".")[2] for one in found.files} >= {"dsc"}
        assert all(len(one.sha256) == 64 and one.url.endswith(f"/{one.name}") for one in found.files)
        assert await archives.source(*KEY, SourcePackage(name="fftw3", version="3.3.10-0")) is None
        assert await archives.source(*KEY, SourcePackage(name="fftw4", version="3.3.10-1")) is None

    async def test_suite_that_is_not_there_is_an_error(self, archives: SuiteArchives) -> None:
        with pytest.raises(NotFoundError, match="sarge"):
            await archives.find("sarge", "x86_64", HEADER)
        with pytest.raises(NotFoundError, match="sarge"):
            await archives.version("sarge", "x86_64", "libfftw3-dev")
        with pytest.raises(NotFoundError, match="sarge"):
            await archives.source("sarge", "x86_64", SourcePackage(name="fftw3", version="3.3.10-1"))
