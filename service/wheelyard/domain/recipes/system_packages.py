"""Choose a recipe's system packages for a builder, and guess packages from names in builds."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from wheelyard.domain.recipes.effective import EffectiveRecipe
from wheelyard.errors import PackagesMissingError


def packages_for(recipe: EffectiveRecipe, *, manager: str, suite: str) -> tuple[str, ...]:
    """Return the packages for a package manager.

    Raises:
        PackagesMissingError: The recipe only has packages for other managers, so their names here are not known.
    """
    known: Mapping[str, Sequence[str]] = {"apt": recipe.apt, "dnf": recipe.dnf, "apk": recipe.apk}
    others = [name for name, packages in known.items() if packages]
    if others and manager not in others:
        raise PackagesMissingError(suite=suite, manager=manager, others=others)
    return tuple(known.get(manager, ()))


_PACKAGES: Final = {
    "libacl1-dev": "acl",
    "libarchive-dev": "archive",
    "libasound2-dev": "alsa asound",
    "libattr1-dev": "attr",
    "libaugeas-dev": "augeas",
    "libavif-dev": "avif",
    "libavcodec-dev": "avcodec",
    "libavdevice-dev": "avdevice",
    "libavfilter-dev": "avfilter",
    "libavformat-dev": "avformat",
    "libavutil-dev": "avutil",
    "libblkid-dev": "blkid",
    "libblosc-dev": "blosc",
    "libbluetooth-dev": "bluetooth bluez",
    "libboost-all-dev": "boost",
    "libbrotli-dev": "brotli brotlicommon brotlidec brotlienc",
    "libbz2-dev": "bz2 bzip2",
    "libcairo2-dev": "cairo cairogobject",
    "libc-ares-dev": "cares ares",
    "libcapnp-dev": "capnp",
    "libcap-dev": "cap",
    "libcups2-dev": "cups",
    "libcurl4-openssl-dev": "curl",
    "libdb-dev": "db",
    "libdbus-1-dev": "dbus",
    "libdmtx-dev": "dmtx",
    "libeigen3-dev": "eigen eigen3",
    "libev-dev": "ev",
    "libevent-dev": "event",
    "libexiv2-dev": "exiv2",
    "libexpat1-dev": "expat",
    "libffi-dev": "ffi",
    "libfftw3-dev": "fftw fftw3 fftw3f",
    "libfontconfig-dev": "fontconfig",
    "libfreetype-dev": "freetype freetype2",
    "freetds-dev": "freetds sybdb",
    "libfuse-dev": "fuse",
    "libfuse3-dev": "fuse3",
    "libgdal-dev": "gdal",
    "libgdbm-dev": "gdbm",
    "libgeos-dev": "geos geosc",
    "libgirepository1.0-dev": "gobjectintrospection gobjectintrospection1 girepository",
    "libgit2-dev": "git2",
    "libglib2.0-dev": "glib gio gobject",
    "libgmp-dev": "gmp",
    "libgnutls28-dev": "gnutls",
    "libglpk-dev": "glpk",
    "libgpgme-dev": "gpgme",
    "libgraphviz-dev": "graphviz cgraph cdt gvc",
    "libgsl-dev": "gsl",
    "libharfbuzz-dev": "harfbuzz",
    "libhdf5-dev": "hdf5",
    "libheif-dev": "heif",
    "libhunspell-dev": "hunspell",
    "libicu-dev": "icu icui18n icuuc",
    "libjpeg62-turbo-dev": "jpeg jpegturbo turbojpeg",
    "libkeyutils-dev": "keyutils",
    "libkrb5-dev": "krb5 krb5gssapi gssapi",
    "libldap2-dev": "ldap openldap",
    "liblcms2-dev": "lcms lcms2",
    "libleptonica-dev": "lept leptonica",
    "libleveldb-dev": "leveldb",
    "liblmdb-dev": "lmdb",
    "liblz4-dev": "lz4",
    "liblzma-dev": "lzma xz",
    "liblzo2-dev": "lzo lzo2",
    "libmagic-dev": "magic",
    "libmagickwand-dev": "wand magickwand imagemagick",
    "libmaxminddb-dev": "maxminddb",
    "libmemcached-dev": "memcached",
    "libmpc-dev": "mpc",
    "libmpfr-dev": "mpfr",
    "default-libmysqlclient-dev": "mysqlclient mysql mariadb",
    "libncurses-dev": "ncurses ncursesw curses",
    "libnetcdf-dev": "netcdf",
    "libopenmpi-dev": "mpi openmpi",
    "libopus-dev": "opus",
    "libopenblas-dev": "openblas blas lapack cblas",
    "libopencv-dev": "opencv",
    "libopenjp2-7-dev": "openjp openjp2 openjpeg",
    "libpango1.0-dev": "pango pangocairo",
    "libpam0g-dev": "pam",
    "libparted-dev": "parted",
    "libpcap-dev": "pcap",
    "libpci-dev": "pci",
    "libpcsclite-dev": "pcsclite winscard",
    "libpcre2-dev": "pcre2 pcre28",
    "libpng-dev": "png png16",
    "libpoppler-cpp-dev": "poppler popplercpp",
    "libpq-dev": "pq postgresql",
    "portaudio19-dev": "portaudio",
    "libproj-dev": "proj proj4",
    "libprotobuf-dev": "protobuf",
    "libpulse-dev": "pulse",
    "libqpdf-dev": "qpdf",
    "libraw-dev": "raw",
    "librdkafka-dev": "rdkafka rdkafka++",
    "libre2-dev": "re2",
    "libreadline-dev": "readline",
    "librrd-dev": "rrd",
    "libsasl2-dev": "sasl sasl2 cyrussasl",
    "libsdl2-dev": "sdl2",
    "libseccomp-dev": "seccomp",
    "libselinux1-dev": "selinux",
    "libsnmp-dev": "netsnmp",
    "libsnappy-dev": "snappy",
    "libsndfile1-dev": "sndfile",
    "libsodium-dev": "sodium",
    "libspatialindex-dev": "spatialindex spatialindexc",
    "libsqlite3-dev": "sqlite sqlite3",
    "libssh-dev": "ssh",
    "libssh2-1-dev": "ssh2",
    "libssl-dev": "ssl openssl crypto",
    "libswresample-dev": "swresample",
    "libswscale-dev": "swscale",
    "libsystemd-dev": "systemd",
    "libtesseract-dev": "tesseract",
    "libtiff-dev": "tiff",
    "libudev-dev": "udev",
    "libusb-1.0-0-dev": "usb",
    "libuv1-dev": "uv",
    "libvips-dev": "vips",
    "libvirt-dev": "virt",
    "libwebp-dev": "webp webpdemux webpmux",
    "libx11-dev": "x11",
    "libxcb1-dev": "xcb",
    "libxml2-dev": "xml xml2",
    "libxmlsec1-dev": "xmlsec1 xmlsec1openssl",
    "libxslt1-dev": "xslt xslt1",
    "libyaml-dev": "yaml",
    "libzbar-dev": "zbar",
    "libzmq3-dev": "zmq zeromq zmq3",
    "libzstd-dev": "zstd",
    "tk-dev": "tk tcl",
    "unixodbc-dev": "odbc unixodbc",
    "uuid-dev": "uuid",
    "zlib1g-dev": "z zlib",
}
_HEADERS: Final = {
    "libacl1-dev": "sys/acl.h",
    "libbz2-dev": "bzlib.h",
    "libcap-dev": "sys/capability.h",
    "libdmtx-dev": "dmtx.h",
    "libfreetype-dev": "ft2build.h",
    "libgirepository1.0-dev": "girepository.h",
    "libgraphviz-dev": "graphviz/cgraph.h",
    "libhdf5-dev": "H5Cpp.h H5public.h",
    "libicu-dev": "unicode",
    "libjpeg62-turbo-dev": "jpeglib.h",
    "libldap2-dev": "lber.h",
    "libmagickwand-dev": "MagickWand",
    "libpam0g-dev": "security/pam_appl.h security/pam_modules.h",
    "libpcsclite-dev": "PCSC",
    "libpq-dev": "libpq-fe.h",
    "libproj-dev": "proj_api.h",
    "libsdl2-dev": "SDL.h",
    "libsnappy-dev": "snappy-c.h",
    "libspatialindex-dev": "spatialindex",
    "libsuitesparse-dev": "cholmod.h klu.h umfpack.h",
    "libtiff-dev": "tiffio.h",
    "libxslt1-dev": "libexslt",
    "freetds-dev": "sqlfront.h",
    "unixodbc-dev": "sql.h sqlext.h",
}
"""Headers, or their folders, with another name than their library."""
_PROGRAMS: Final = {
    "default-libmysqlclient-dev": "mysql_config mariadb_config",
    "libcups2-dev": "cups-config",
    "libcurl4-openssl-dev": "curl-config",
    "libfreetype-dev": "freetype-config",
    "libgdal-dev": "gdal-config",
    "libgeos-dev": "geos-config",
    "libgpgme-dev": "gpgme-config",
    "libgsl-dev": "gsl-config",
    "libhdf5-dev": "h5cc",
    "libkrb5-dev": "krb5-config",
    "libncurses-dev": "ncurses5-config ncurses6-config ncursesw6-config",
    "libnetcdf-dev": "nc-config",
    "libopenmpi-dev": "mpicc mpicxx mpifort",
    "libpcap-dev": "pcap-config",
    "libpq-dev": "pg_config",
    "libsdl2-dev": "sdl2-config",
    "libsnmp-dev": "net-snmp-config",
    "libxml2-dev": "xml2-config",
    "libxslt1-dev": "xslt-config",
    "llvm-dev": "llvm-config",
    "protobuf-compiler": "protoc",
    "graphviz": "dot",
    "swig": "swig",
}
"""Programs that report compiler options to builds."""
_BY_NAME: Final = {name: package for package, names in _PACKAGES.items() for name in names.split()}
_BY_HEADER: Final = {name: package for package, names in _HEADERS.items() for name in names.split()}
_BY_PROGRAM: Final = {name: package for package, names in _PROGRAMS.items() for name in names.split()}
# Names in build systems that every builder has, or that are no system libraries.
_PRESENT: Final = frozenset({"threads", "openmp", "m", "dl", "pthread", "rt", "c", "stdc++", "pkgconfig", "git"})
_PYTHONS: Final = ("python", "numpy", "pybind11", "nanobind", "cython", "py3cairo")
"""Prefixes of names that Python or a build requirement provides."""
_VERSION: Final = re.compile(r"-\d+(\.\d+)*$")


def debian_package(name: str) -> str | None:
    """Return the likely package of a library's headers, such as for ``libxml-2.0`` or ``LibXml2``; None if unknown."""
    return _BY_NAME.get(_plain(name))


def package_of_header(path: str) -> str | None:
    """Return the likely package of a C header such as ``libxml/parser.h``; None if unknown."""
    folder, _, name = path.rpartition("/")
    exact = _BY_HEADER.get(path) or _BY_HEADER.get(path.partition("/")[0])
    return exact or debian_package(folder.partition("/")[0]) or debian_package(name.partition(".")[0])


def package_of_program(name: str) -> str | None:
    """Return the likely package of a program such as ``pg_config``; None if unknown."""
    return _BY_PROGRAM.get(name)


def is_system_library(name: str) -> bool:
    """Return whether a name can be a library that a builder lacks: neither Python's own nor the compiler's."""
    plain = _plain(name)
    return plain not in _PRESENT and not plain.startswith(_PYTHONS)


def _plain(name: str) -> str:
    """Return the common form of all spellings of a name."""
    lower = _VERSION.sub("", name.strip().lower())
    lower = lower.removeprefix("lib") or lower
    return re.sub(r"[^a-z0-9+]", "", lower)
