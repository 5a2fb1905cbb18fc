"""What package managers print of an archive becomes an index; dnf and apk are played as their manuals have it."""

import gzip
import io
import mmap
import os
import re
import subprocess
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wheelyard.domain.catalogue.archive_files import FileKind, WantedFile
from wheelyard.domain.catalogue.archive_index import (
    ArchiveEmptyError,
    ArchiveIndex,
    ArchivePackage,
    pack_archive,
    unpack_index,
    write_index,
)
from wheelyard.domain.catalogue.package_managers import APK, APT, DNF, PackageManager
from wheelyard.domain.catalogue.package_ranking import rank_packages

PLACES = re.compile("(/usr/lib/apt|/var/cache/apk|/tmp)/")
"""Folders of the container, which are one of the test's own here."""
APT_GET = """#!/bin/sh
case $1 in
  update) cat "$APT_CONFIG" >&2; echo Get:1 ;;
  indextargets)
    case $* in
      *Sources-deb*) printf 'http://me:secret@deb.example/debian/ %s.xz\\n' main security ;;
      *) printf '%s\\n' main.lz4 updates.lz4 ;;
    esac ;;
esac
"""
APT_CACHE = """#!/bin/sh
cat <<'END'
Package: libfftw3-dev
Priority: optional
Section: libdevel
Installed-Size: 5356
Version: 3.3.10-1
Depends: libfftw3-bin (= 3.3.10-1), libfftw3-double3 (= 3.3.10-1) | other
Description: library for computing Fast Fourier Transforms

Package: contrib-tool
Version: 1:2.0~rc1-1
Section: contrib/devel
Pre-Depends: dpkg (>= 1.15)
Depends: libfftw3-dev
END
"""
SHA256 = "ab" * 32
SOURCES = f"""\
Package: fftw3
Binary: libfftw3-dev
Version: 3.3.10-1
Files:
 0123 12 fftw3_3.3.10-1.dsc
Checksums-Sha256:
 {SHA256} 12 fftw3_3.3.10-1.dsc
 {SHA256} 34 fftw3_3.3.10.orig.tar.gz
Directory: pool/main/f/fftw3

Package: odd
Version: 1:1.0
Directory: pool/../../x;y
Checksums-Sha256:
 {SHA256} 12 odd.dsc

Package: bare
Version: 1
Directory: pool/b
"""
APT_HELPER = """#!/bin/sh
case $2 in *.xz) cat "${0%/*}/sources.$2"; exit ;; esac
cat <<'END'
This file maps each file available in the Debian GNU/Linux system to
FILE                                                    LOCATION
usr/include/fftw3.h                                     libdevel/libfftw3-dev
usr/include/with space.h                                contrib/devel/contrib-tool
lib/x86_64-linux-gnu/libz.so.1                          libs/zlib1g,libs/zlib1g-other
usr/lib/gcc/x86_64-linux-gnu/12/include/omp.h           devel/libgcc-12-dev
usr/share/doc/fftw3.h                                   doc/libfftw3-doc
usr/bin/fftw-wisdom                                     libdevel/libfftw3-dev
usr/lib/x86_64-linux-gnu/openmpi/include/mpi.h          libdevel/libopenmpi-dev
usr/lib/python3/dist-packages/_demo.cpython-311-x86_64-linux-gnu.so python/python3-demo
usr/lib/x86_64-linux-gnu/pkgconfig/fftw3.pc             libdevel/libfftw3-dev
END
[ $# = 3 ] || exit 1
"""
DNF_PROGRAM = r"""#!/bin/sh
case "$*" in
  *makecache) echo cache ;;
  *'%{files}'*) printf '%s\n' '> zlib-devel' /usr/include/zlib.h /usr/lib64/libz.so /usr/share/doc/x \
    '> gcc' /usr/bin/gcc '> bare' '' ;;
  *) printf 'zlib-devel\t1.2.11-40.el9\t141092\t\t\ngcc\t11.5.0-2.el9\t84000000\t\t\n\n' ;;
esac
"""
APKINDEX = """\
C:Q1eTIZ
P:expat
V:2.6.4-r0
A:x86_64
S:72148
I:180224
o:expat
D:so:libc.musl-x86_64.so.1
p:so:libexpat.so.1=1.10.0 cmd:xmlwf=2.6.4-r0

C:Q1bTIZ
P:expat-dev
V:2.6.4-r0
I:155648
o:expat
D:expat=2.6.4-r0 pkgconfig
p:pc:expat=2.6.4
"""


def read(manager: PackageManager, folder: Path, **programs: str) -> bytes:
    """Return what the script that reads an archive prints where programs of the test's own play the manager."""
    for name, text in programs.items():
        (folder / name.replace("_", "-")).write_text(text)
        (folder / name.replace("_", "-")).chmod(0o755)
    script = PLACES.sub(f"{folder}/", manager.read_archive)
    path = f"{folder}:{os.environ['PATH']}"
    return subprocess.run(["sh", "-euc", script], env={"PATH": path}, capture_output=True, check=True).stdout


def index_of(printed: bytes) -> ArchiveIndex:
    return ArchiveIndex(unpack_index(pack_archive(printed)))


def paths(index: ArchiveIndex, tail: str) -> list[tuple[str, tuple[str, ...]]]:
    return [(one.path, one.packages) for one in index.find_files(tail, most=100)]


def test_apt_lists_candidates_and_the_files_that_builds_look_for(tmp_path: Path) -> None:
    index = index_of(read(APT, tmp_path, apt_get=APT_GET, apt_cache=APT_CACHE, apt_helper=APT_HELPER))
    assert index.find_package("libfftw3-dev") == ArchivePackage(
        name="libfftw3-dev", version="3.3.10-1", installed_bytes=5356 * 1024, section="libdevel", dependents=1
    )
    assert index.find_package("contrib-tool") == ArchivePackage(
        name="contrib-tool", version="1:2.0~rc1-1", section="devel"
    )
    assert index.find_package("LOCATION") is None
    assert paths(index, "fftw3.h") == [("usr/include/fftw3.h", ("libfftw3-dev",))]
    assert paths(index, "with space.h") == [("usr/include/with space.h", ("contrib-tool",))]
    assert paths(index, "libz.so.1") == [("usr/lib/x86_64-linux-gnu/libz.so.1", ("zlib1g", "zlib1g-other"))]
    assert paths(index, "mpi.h") == [("usr/lib/x86_64-linux-gnu/openmpi/include/mpi.h", ("libopenmpi-dev",))]
    assert paths(index, "bin/fftw-wisdom") == [("usr/bin/fftw-wisdom", ("libfftw3-dev",))]
    assert paths(index, "omp.h") == []
    assert paths(index, "_demo.cpython-311-x86_64-linux-gnu.so") == []


def test_apt_lists_source_packages_without_the_mirrors_password(tmp_path: Path) -> None:
    (tmp_path / "sources.main.xz").write_text(SOURCES)
    (tmp_path / "sources.security.xz").write_text(SOURCES.replace("3.3.10-1", "3.3.10-1+deb12u1"))
    index = index_of(read(APT, tmp_path, apt_get=APT_GET, apt_cache=APT_CACHE, apt_helper=APT_HELPER))
    found = index.find_source("fftw3", "3.3.10-1")
    assert found is not None
    folder = "http://deb.example/debian/pool/main/f/fftw3"
    assert [(one.url, one.sha256, one.size_bytes) for one in found.files] == [
        (f"{folder}/fftw3_3.3.10-1.dsc", SHA256, 12),
        (f"{folder}/fftw3_3.3.10.orig.tar.gz", SHA256, 34),
    ]
    newer = index.find_source("fftw3", "3.3.10-1+deb12u1")
    assert newer is not None
    assert newer.files[0].name == "fftw3_3.3.10-1+deb12u1.dsc"
    assert (index.find_source("odd", "1:1.0"), index.find_source("bare", "1"), index.find_source("", "")) == (None,) * 3
    assert index.find_package("libfftw3-dev") is not None
    assert paths(index, "fftw3.h") == [("usr/include/fftw3.h", ("libfftw3-dev",))]


def test_apt_fetches_the_lists_of_files_with_the_others(tmp_path: Path) -> None:
    (tmp_path / "apt-get").write_text(APT_GET)
    (tmp_path / "apt-get").chmod(0o755)
    script = PLACES.sub(f"{tmp_path}/", APT.update_lists)
    path = f"{tmp_path}:{os.environ['PATH']}"
    ended = subprocess.run(["sh", "-euc", script], env={"PATH": path}, capture_output=True, text=True, check=True)
    assert 'MetaKey "$(COMPONENT)/Contents-$(ARCHITECTURE)";' in ended.stderr
    assert 'Fallback-Of "Contents-deb"; Identifier "Contents-deb";' in ended.stderr
    assert "--error-on=any" in script


def test_list_that_cannot_be_fetched_fails_the_script(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        read(APT, tmp_path, apt_get="#!/bin/sh\nexit 100\n", apt_cache=APT_CACHE, apt_helper=APT_HELPER)


def test_dnf_lists_packages_and_their_files(tmp_path: Path) -> None:
    index = index_of(read(DNF, tmp_path, dnf=DNF_PROGRAM))
    assert index.find_package("zlib-devel") == ArchivePackage(
        name="zlib-devel", version="1.2.11-40.el9", installed_bytes=141092
    )
    assert paths(index, "zlib.h") == [("usr/include/zlib.h", ("zlib-devel",))]
    (found,) = rank_packages(index, WantedFile(kind=FileKind.LIBRARY, name="z"))
    assert (found.package, found.path) == ("zlib-devel", "usr/lib64/libz.so")
    assert paths(index, "doc/x") == []


def test_apk_lists_what_packages_provide(tmp_path: Path) -> None:
    data = APKINDEX.encode()
    with tarfile.open(tmp_path / "APKINDEX.1234.tar.gz", "w:gz") as packed:
        entry = tarfile.TarInfo("APKINDEX")
        entry.size = len(data)
        packed.addfile(entry, io.BytesIO(data))
    index = index_of(read(APK, tmp_path, apk="#!/bin/sh\n"))
    assert index.find_package("expat") == ArchivePackage(
        name="expat", version="2.6.4-r0", installed_bytes=180224, dependents=1
    )
    assert paths(index, "libexpat.so.1") == [("usr/lib/libexpat.so.1", ("expat",))]
    assert paths(index, "libexpat.so") == [("usr/lib/libexpat.so", ("expat-dev",))]
    assert paths(index, "expat.pc") == [("usr/lib/pkgconfig/expat.pc", ("expat-dev",))]
    assert paths(index, "bin/xmlwf") == [("usr/bin/xmlwf", ("expat",))]


def test_files_of_several_lists_are_one_with_all_packages() -> None:
    listed = b"a\t1\t0\t\t\nb\t1\t0\t\t\n--\nusr/bin/x  utils/a\nbin/x  utils/b,utils/a\n"
    assert paths(ArchiveIndex(write_index(listed)), "x") == [("usr/bin/x", ("a", "b"))]


def test_default_of_several_versions_is_the_one_that_a_package_without_a_version_needs() -> None:
    listed = (
        b"libdb5.3-dev\t1\t0\tlibdevel\t\nlibdb4-dev\t1\t0\tlibdevel\t\n"
        b"libdb-dev\t1\t0\tlibdevel\tlibdb5.3-dev (>= 5)\n--\nusr/include/db.h libdb5.3-dev\n"
    )
    index = ArchiveIndex(write_index(listed))
    defaults = {name: one.default_of for name in ("libdb5.3-dev", "libdb4-dev") if (one := index.find_package(name))}
    assert defaults == {"libdb5.3-dev": "libdb-dev", "libdb4-dev": ""}


def test_no_more_files_than_wanted_are_yielded() -> None:
    files = b"".join(b"usr/include/d%d/config.h a\n" % number for number in range(100))
    index = ArchiveIndex(write_index(b"a\t1\t0\t\t\n--\n" + files))
    assert len(list(index.find_files("config.h", most=7))) == 7


@pytest.mark.parametrize("printed", [b"", b"--\n", b"a\t1\t0\t\t\n--\n", b"\n--\nusr/bin/x a\n", b"a\t1\t0\t\t\n"])
def test_archive_without_packages_or_files_is_an_error(printed: bytes) -> None:
    with pytest.raises(ArchiveEmptyError):
        pack_archive(gzip.compress(printed))


@pytest.mark.parametrize(
    "spoil", [lambda data: data[:-9], lambda _: b"", lambda _: b"text", lambda _: gzip.compress(b"")]
)
def test_damaged_output_is_an_error(spoil: Callable[[bytes], bytes]) -> None:
    with pytest.raises(ValueError, match=r"damaged|cut off|no packages"):
        pack_archive(spoil(gzip.compress(b"a\t1\t0\t\t\n--\nusr/bin/x a\n" * 100)))


@pytest.mark.parametrize("index", [b"", b"wheelyard-archive 0 0\n", b"something else"])
def test_index_of_another_format_is_an_error(index: bytes) -> None:
    with pytest.raises(ValueError, match="format"):
        unpack_index(zlib.compress(index))
    with pytest.raises(ValueError, match="format"):
        ArchiveIndex(index)


def test_index_is_looked_up_in_a_mapped_file(tmp_path: Path) -> None:
    file = tmp_path / "index"
    file.write_bytes(write_index(b"a\t1\t0\t\t\n--\nusr/bin/x a\n"))
    with file.open("rb") as stream:
        index = ArchiveIndex(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
    assert paths(index, "bin/x") == [("usr/bin/x", ("a",))]


NAMES = st.text(alphabet="abAB._-+", min_size=1, max_size=4).filter(lambda name: name.strip("."))


@given(st.sets(st.lists(NAMES, min_size=1, max_size=4).map("/".join), min_size=1, max_size=30))
def test_every_file_is_found_by_every_end_of_its_path(files: set[str]) -> None:
    known = sorted(f"usr/{path}" for path in files)
    listed = "".join(f"{path}  a\n" for path in known)
    index = ArchiveIndex(write_index(f"a\t1\t0\t\t\n--\n{listed}".encode()))
    for path in known:
        parts = path.split("/")
        for count in range(1, len(parts)):
            tail = "/".join(parts[count:])
            expected = {one for one in known if one.lower().endswith(f"/{tail.lower()}")}
            assert {one.path for one in index.find_files(tail, most=1000)} == expected


@given(st.sets(st.text(alphabet="abc0.+-", min_size=1, max_size=6), min_size=1, max_size=30))
def test_every_package_is_found_and_no_other(packages: set[str]) -> None:
    listed = "".join(f"{name}\t1\t5\tlibs\t\n" for name in packages)
    index = ArchiveIndex(write_index(f"{listed}--\nusr/bin/x a\n".encode()))
    for name in packages:
        found = index.find_package(name)
        assert found is not None
        assert (found.name, found.installed_bytes) == (name, 5)
    assert index.find_package("zzz") is None
    assert index.find_package("") is None
