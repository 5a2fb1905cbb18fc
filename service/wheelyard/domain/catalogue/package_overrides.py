"""What a person's word prefers to the ranking of packages, each with its reason.

Entries are here only where the ranking is wrong on a suite that was looked at, or where a package makes a name when it
is installed, as an alternative, so that no list of files has it. Packages that a suite lacks are left out, so the names
of several distributions can stand together.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from wheelyard.domain.catalogue.archive_files import FileKind, WantedFile

_HEADER, _LIBRARY, _PROGRAM = FileKind.HEADER, FileKind.LIBRARY, FileKind.PROGRAM
_PKG_CONFIG, _CMAKE = FileKind.PKG_CONFIG, FileKind.CMAKE
_Names = Mapping[FileKind, str]
_TABLE: Final[tuple[tuple[str, str, _Names], ...]] = (
    (
        "libcurl4-openssl-dev",
        "wheels are mostly made with OpenSSL; the builds for GnuTLS and NSS hold the same files",
        {_HEADER: "curl/curl.h", _LIBRARY: "curl", _PROGRAM: "curl-config", _PKG_CONFIG: "libcurl", _CMAKE: "CURL"},
    ),
    (
        "default-libmysqlclient-dev mariadb-connector-c-devel",
        "it installs the suite's own choice of MySQL's client, with the names of MySQL",
        {
            _HEADER: "mysql.h mysql/mysql.h",
            _LIBRARY: "mysqlclient",
            _PROGRAM: "mysql_config",
            _PKG_CONFIG: "mysqlclient",
        },
    ),
    (
        "libopenblas-dev openblas-devel",
        "its files are alternatives, which no list of files names",
        {
            _HEADER: "cblas.h openblas_config.h f77blas.h",
            _LIBRARY: "openblas cblas",
            _PKG_CONFIG: "openblas blas cblas",
            _CMAKE: "OpenBLAS BLAS",
        },
    ),
    (
        "liblapack-dev lapack-devel",
        "its files are alternatives, which no list of files names",
        {_PKG_CONFIG: "lapack", _CMAKE: "LAPACK"},
    ),
    (
        "libopenmpi-dev openmpi-devel",
        "of the implementations of MPI it is the default one; its programs are alternatives",
        {_HEADER: "mpi.h", _LIBRARY: "mpi", _PROGRAM: "mpicc mpicxx mpic++ mpifort", _CMAKE: "MPI", _PKG_CONFIG: "mpi"},
    ),
    (
        "libhdf5-dev hdf5-devel",
        "of its builds the serial one is the default; some of its files are alternatives",
        {_HEADER: "hdf5.h", _LIBRARY: "hdf5", _PROGRAM: "h5cc", _PKG_CONFIG: "hdf5", _CMAKE: "HDF5"},
    ),
    (
        "libpq-dev libpq-devel",
        "pg_config names its folder",
        {_HEADER: "libpq-fe.h", _PROGRAM: "pg_config"},
    ),
    (
        "libclang-dev clang-devel",
        "it installs the default of several versions",
        {_HEADER: "clang-c/Index.h", _LIBRARY: "clang"},
    ),
    ("libsdl2-dev SDL2-devel", "projects that still look for version 1 are few", {_HEADER: "SDL.h"}),
    (
        "liblua5.4-dev liblua5.3-dev lua-devel",
        "of several versions the newest one is wanted",
        {_HEADER: "lua.h lua.hpp", _PKG_CONFIG: "lua"},
    ),
    (
        "default-jdk-headless java-17-openjdk-headless openjdk17-jdk",
        "its folder is Java's own",
        {_HEADER: "jni.h jawt.h"},
    ),
    ("qtbase5-dev", "qtchooser only starts the programs of a Qt", {_PROGRAM: "qmake moc uic rcc"}),
    ("automake", "its programs are alternatives, which no list of files names", {_PROGRAM: "automake aclocal"}),
    ("libbz2-dev bzip2-devel", "it has no file of pkg-config on every suite", {_PKG_CONFIG: "bzip2", _CMAKE: "BZip2"}),
)


def _lay_out(table: Iterable[tuple[str, str, _Names]]) -> dict[tuple[FileKind, str], tuple[tuple[str, ...], str]]:
    return {
        (kind, name): (tuple(packages.split()), why)
        for packages, why, names in table
        for kind, text in names.items()
        for name in text.split()
    }


_OVERRIDES: Final = _lay_out(_TABLE)


def find_override(wanted: WantedFile) -> tuple[tuple[str, ...], str]:
    """Return the packages that are preferred for a wanted file, best first, and the reason; none for most."""
    return _OVERRIDES.get((wanted.kind, wanted.name), ((), ""))
