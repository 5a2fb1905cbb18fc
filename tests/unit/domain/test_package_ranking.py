"""The ranking of packages, on rows of Debian 12's archive.

``bookworm_rows.txt`` has the lines of its index (``archive_index``) that these names need, with the counts of the whole
archive: first the packages, then the files.
"""

from pathlib import Path

import pytest

from wheelyard.domain.catalogue.archive_files import FileKind, WantedFile, infer_wanted
from wheelyard.domain.catalogue.archive_index import ArchiveIndex, write_index
from wheelyard.domain.catalogue.package_overrides import find_override
from wheelyard.domain.catalogue.package_ranking import rank_packages

ROWS = Path(__file__).with_name("bookworm_rows.txt").read_bytes()
BEST = {
    FileKind.HEADER: {
        "fftw3.h": "libfftw3-dev",
        "sql.h": "unixodbc-dev",
        "sqlite3.h": "libsqlite3-dev",
        "yaml.h": "libyaml-dev",
        "lber.h": "libldap-dev",
        "libpq-fe.h": "libpq-dev",
        "libpq/libpq-fs.h": "libpq-dev",
        "openssl/ssl.h": "libssl-dev",
        "jpeglib.h": "libjpeg62-turbo-dev",
        "png.h": "libpng-dev",
        "zlib.h": "zlib1g-dev",
        "expat.h": "libexpat1-dev",
        "ffi.h": "libffi-dev",
        "gmp.h": "libgmp-dev",
        "mpfr.h": "libmpfr-dev",
        "mpc.h": "libmpc-dev",
        "cairo.h": "libcairo2-dev",
        "glib.h": "libglib2.0-dev",
        "alsa/asoundlib.h": "libasound2-dev",
        "portaudio.h": "portaudio19-dev",
        "sndfile.h": "libsndfile1-dev",
        "hdf5.h": "libhdf5-dev",
        "netcdf.h": "libnetcdf-dev",
        "proj.h": "libproj-dev",
        "geos_c.h": "libgeos-dev",
        "libxml/parser.h": "libxml2-dev",
        "libxslt/xslt.h": "libxslt1-dev",
        "curl/curl.h": "libcurl4-openssl-dev",
        "systemd/sd-daemon.h": "libsystemd-dev",
        "libusb.h": "libusb-1.0-0-dev",
        "pcap.h": "libpcap-dev",
        "magic.h": "libmagic-dev",
        "archive.h": "libarchive-dev",
        "lzma.h": "liblzma-dev",
        "bzlib.h": "libbz2-dev",
        "zstd.h": "libzstd-dev",
        "snappy.h": "libsnappy-dev",
        "leveldb/db.h": "libleveldb-dev",
        "re2/re2.h": "libre2-dev",
        "boost/python.hpp": "libboost-dev",
        "Eigen/Core": "libeigen3-dev",
        "SDL2/SDL.h": "libsdl2-dev",
        "SDL.h": "libsdl2-dev",
        "GL/gl.h": "libgl-dev",
        "X11/Xlib.h": "libx11-dev",
        "uuid/uuid.h": "uuid-dev",
        "cups/cups.h": "libcups2-dev",
        "sybdb.h": "freetds-dev",
        "gssapi/gssapi.h": "libkrb5-dev",
        "ldap.h": "libldap-dev",
        "sasl/sasl.h": "libsasl2-dev",
        "graphviz/cgraph.h": "libgraphviz-dev",
        "cgraph.h": "libgraphviz-dev",
        "zmq.h": "libzmq3-dev",
        "librdkafka/rdkafka.h": "librdkafka-dev",
        "db.h": "libdb-dev",
        "mpi.h": "libopenmpi-dev",
        "cblas.h": "libopenblas-dev",
        "lapacke.h": "liblapacke-dev",
        "tcl.h": "tcl-dev",
        "lua.h": "liblua5.4-dev",
        "mysql.h": "default-libmysqlclient-dev",
        "ft2build.h": "libfreetype-dev",
        "enchant.h": "libenchant-2-dev",
        "xmlsec/xmlsec.h": "libxmlsec1-dev",
        "readline/readline.h": "libreadline-dev",
        "security/pam_appl.h": "libpam0g-dev",
        "umfpack.h": "libsuitesparse-dev",
        "jni.h": "default-jdk-headless",
        "girepository.h": "libgirepository1.0-dev",
        "netlink/netlink.h": "libnl-3-dev",
        "openjpeg.h": "libopenjp2-7-dev",
    },
    FileKind.LIBRARY: {
        "mecab": "libmecab-dev",
        "z": "zlib1g-dev",
        "jpeg": "libjpeg62-turbo-dev",
        "boost_python311": "libboost-python-dev",
        "blas": "libblas-dev",
        "openblas": "libopenblas-dev",
        "clang": "libclang-dev",
        "hdf5": "libhdf5-dev",
        "mysqlclient": "default-libmysqlclient-dev",
        "readline": "libreadline-dev",
    },
    FileKind.PKG_CONFIG: {
        "smbclient": "libsmbclient-dev",
        "gobject-introspection-1.0": "libgirepository1.0-dev",
        "dbus-1": "libdbus-1-dev",
        "xmlsec1": "libxmlsec1-dev",
        "rocksdb": "librocksdb-dev",
        "opencv4": "libopencv-dev",
        "gtk+-3.0": "libgtk-3-dev",
        "libnl-3.0": "libnl-3-dev",
        "tesseract": "libtesseract-dev",
        "hunspell": "libhunspell-dev",
        "nanomsg": "libnanomsg-dev",
        "libcurl": "libcurl4-openssl-dev",
        "krb5-gssapi": "libkrb5-dev",
    },
    FileKind.PROGRAM: {
        "mecab-config": "libmecab-dev",
        "pg_config": "libpq-dev",
        "mysql_config": "default-libmysqlclient-dev",
        "krb5-config": "libkrb5-dev",
        "gdal-config": "libgdal-dev",
        "swig": "swig",
        "flex": "flex",
        "bison": "bison",
        "cmake": "cmake",
        "ninja": "ninja-build",
        "llvm-config": "llvm",
        "protoc": "protobuf-compiler",
        "curl-config": "libcurl4-openssl-dev",
        "mpicc": "libopenmpi-dev",
        "automake": "automake",
    },
    FileKind.CMAKE: {
        "HDF5": "libhdf5-dev",
        "Boost": "libboost-dev",
        "OpenCV": "libopencv-dev",
        "Eigen3": "libeigen3-dev",
        "pybind11": "pybind11-dev",
        "LLVM": "llvm-dev",
        "geos": "libgeos-dev",
    },
    FileKind.SONAME: {
        "libexpat.so.1": "libexpat1",
        "libX11.so.6": "libx11-6",
        "libGL.so.1": "libgl1",
    },
}
NOT_MISSING = {
    FileKind.HEADER: ("Python.h", "stdio.h", "linux/magic.h"),
    FileKind.LIBRARY: ("stdc++",),
    FileKind.PKG_CONFIG: ("python3",),
    FileKind.PROGRAM: ("gcc",),
}


def index_of(rows: bytes) -> ArchiveIndex:
    packages, _, files = rows.partition(b"--\n")
    return ArchiveIndex(b"wheelyard-archive 2 %d 0\n" % len(packages) + packages + files)


def archive(files: str, *packages: str) -> ArchiveIndex:
    """Make an archive of lines such as ``usr/include/a.h libdevel/liba-dev``; packages have ``name section needs``."""
    rows = (line.split(" ", 2) for line in packages)
    listed = "\n".join(f"{name}\t1.0\t1000\t{section}\t{needs}" for name, section, needs in rows)
    return ArchiveIndex(write_index(f"{listed}\n--\n{files}\n".encode()))


def names(index: ArchiveIndex, kind: FileKind, name: str) -> list[str]:
    return [one.package for one in rank_packages(index, WantedFile(kind=kind, name=name))]


BOOKWORM = index_of(ROWS)


def test_library_that_java_loads_is_none_for_linkers() -> None:
    index = archive("usr/lib/jni/libMeCab.so java/libmecab-jni", "libmecab-jni java ")
    assert names(index, FileKind.LIBRARY, "MeCab") == []


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, wanted in BEST.items() for name in wanted])
def test_best_package_of_bookworm(kind: FileKind, name: str) -> None:
    assert names(BOOKWORM, kind, name)[:1] == [BEST[kind][name]]


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, wanted in NOT_MISSING.items() for name in wanted])
def test_what_every_builder_has_is_in_no_package(kind: FileKind, name: str) -> None:
    assert names(BOOKWORM, kind, name) == []


def test_library_that_cmake_only_finds_is_not_in_cmake() -> None:
    assert names(BOOKWORM, FileKind.CMAKE, "ZLIB") == []


def test_header_deep_in_another_library_is_a_namesake() -> None:
    assert names(BOOKWORM, FileKind.HEADER, "bits.h") == []


def test_each_package_says_why_it_stands_where_it_does() -> None:
    best, second, *_ = rank_packages(BOOKWORM, WantedFile(kind=FileKind.PROGRAM, name="krb5-config"))
    assert (best.package, best.path) == ("libkrb5-dev", "usr/bin/krb5-config")
    assert best.reason == "where tools look by themselves; 4 packages depend on it"
    assert (second.package, second.reason) == ("heimdal-dev", "where tools look by themselves")


def test_default_of_several_versions_is_chosen_with_the_size_of_both() -> None:
    (best, *_) = rank_packages(BOOKWORM, WantedFile(kind=FileKind.HEADER, name="db.h"))
    version = BOOKWORM.find_package("libdb5.3-dev")
    default = BOOKWORM.find_package("libdb-dev")
    assert version is not None
    assert default is not None
    assert best.reason.endswith("libdb-dev installs libdb5.3-dev")
    assert (best.version, best.installed_bytes) == (
        default.version,
        version.installed_bytes + default.installed_bytes,
    )


def test_header_that_compilers_find_comes_before_one_in_a_folder() -> None:
    index = archive(
        "usr/include/other/demo.h libdevel/libother-dev\nusr/include/demo.h libdevel/libdemo-dev",
        "libother-dev libdevel ",
        "libdemo-dev libdevel ",
        "user libs libother-dev",
    )
    assert names(index, FileKind.HEADER, "demo.h") == ["libdemo-dev", "libother-dev"]


@pytest.mark.parametrize("worse", ["demo-tools utils ", "libolddemo-dev oldlibs ", "libdemo-extended-dev libdevel "])
def test_package_that_is_less_likely_comes_second(worse: str) -> None:
    other, _, _ = worse.partition(" ")
    index = archive(f"usr/include/demo.h {other},libdemo-dev", worse, "libdemo-dev libdevel ")
    assert names(index, FileKind.HEADER, "demo.h") == ["libdemo-dev", other]


@pytest.mark.parametrize(
    "unfit",
    ["libdemo-dev-armhf-cross", "mingw-w64-demo-dev", "libwine-dev", "musl-demo", "dietlibc-dev", "lsb-demo"],
)
def test_packages_for_other_machines_and_c_libraries_are_left_out(unfit: str) -> None:
    index = archive(f"usr/include/demo.h libdevel/{unfit}", f"{unfit} libdevel ")
    assert names(index, FileKind.HEADER, "demo.h") == []


def test_header_that_every_project_has_is_in_no_package() -> None:
    holders = [f"lib{letter * 3}-dev" for letter in "abcdefghijklmn"]
    files = "\n".join(f"usr/include/{name[3:6]}/util.h {name}" for name in holders)
    assert names(archive(files, *(f"{name} libdevel " for name in holders)), FileKind.HEADER, "util.h") == []


def test_find_module_counts_only_in_the_package_of_the_library() -> None:
    files = "usr/share/demo/cmake/FindOsmium.cmake libdemo-dev\nusr/share/cmake/Modules/FindOsmium.cmake libosmium2-dev"
    index = archive(files, "libdemo-dev libdevel ", "libosmium2-dev libdevel ")
    assert names(index, FileKind.CMAKE, "Osmium") == ["libosmium2-dev"]


@pytest.mark.parametrize("path", ["DemoConfig.cmake", "demo-config.cmake"])
def test_spelling_of_a_cmake_package_does_not_matter(path: str) -> None:
    index = archive(f"usr/lib/x86_64-linux-gnu/cmake/Demo/{path} libdemo-dev", "libdemo-dev libdevel ")
    assert names(index, FileKind.CMAKE, "DEMO") == ["libdemo-dev"]


def test_program_of_its_own_package_comes_before_one_that_replaces_it() -> None:
    index = archive("usr/bin/demo devel/ademo,devel/demo", "ademo devel ", "demo devel ")
    assert names(index, FileKind.PROGRAM, "demo") == ["demo", "ademo"]


def test_override_names_only_packages_that_the_archive_has() -> None:
    wanted = WantedFile(kind=FileKind.PROGRAM, name="mysql_config")
    index = archive("usr/bin/mysql_config devel/libother-dev", "libother-dev devel ")
    assert names(index, wanted.kind, wanted.name) == ["libother-dev"]
    index = archive("usr/bin/x devel/libother-dev", "libother-dev devel ", "default-libmysqlclient-dev libdevel ")
    (found,) = rank_packages(index, wanted)
    assert (found.package, found.path, found.reason) == ("default-libmysqlclient-dev", "", find_override(wanted)[1])


@pytest.mark.parametrize("name", ["", "a" * 201, "\n", "../x", "\udcff", "%s", "a\tb"])
@pytest.mark.parametrize("kind", list(FileKind))
def test_no_name_of_a_stranger_is_an_error(kind: FileKind, name: str) -> None:
    assert names(BOOKWORM, kind, name) == []


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("fftw3.h", FileKind.HEADER, "fftw3.h"),
        ("Eigen/Core", FileKind.HEADER, "Eigen/Core"),
        ("smbclient.pc", FileKind.PKG_CONFIG, "smbclient"),
        ("libmecab.so", FileKind.LIBRARY, "mecab"),
        ("-lmecab", FileKind.LIBRARY, "mecab"),
        ("libexpat.so.1", FileKind.SONAME, "libexpat.so.1"),
        ("FindOsmium.cmake", FileKind.CMAKE, "Osmium"),
        ("OpenCVConfig.cmake", FileKind.CMAKE, "OpenCV"),
        ("yaml-cpp-config.cmake", FileKind.CMAKE, "yaml-cpp"),
        ("mecab-config", FileKind.PROGRAM, "mecab-config"),
        ("osmium", FileKind.PROGRAM, "osmium"),
    ],
)
def test_name_says_what_it_is(text: str, kind: FileKind, name: str) -> None:
    assert infer_wanted(text)[0] == WantedFile(kind=kind, name=name)
