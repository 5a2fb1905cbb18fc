"""What a failed build's log is understood to say: lines as real builds on Debian 12 wrote them."""

import pytest

from wheelyard.domain.healing.findings import Finding
from wheelyard.domain.healing.log_findings import host_findings, read_findings

PKGCONF = """\
Package libexample was not found in the pkg-config search path.
Perhaps you should add the directory containing `libexample.pc'
to the PKG_CONFIG_PATH environment variable
Package 'libexample', required by 'virtual:world', not found
"""
MYSQLCLIENT = """\
Trying pkg-config --exists mysqlclient
Command 'pkg-config --exists mysqlclient' returned non-zero exit status 1.
Trying pkg-config --exists mariadb
Command 'pkg-config --exists mariadb' returned non-zero exit status 1.
Exception: Can not find valid pkg-config name.
Specify MYSQLCLIENT_CFLAGS and MYSQLCLIENT_LDFLAGS env vars manually
"""
PYTHON_PRCTL = """\
You need to install libcap development headers to build this module

On Debian/Ubuntu:
    sudo apt-get install build-essential libcap-dev
"""
LXML = """\
Building lxml version 6.1.3.
Building without Cython.
Error: Please make sure the libxml2 and libxslt development packages are installed.
"""
PILLOW = """\
The headers or library files could not be found for jpeg,
a required dependency when compiling Pillow from source.
"""
MATURIN = """\
Rust not found, installing into a temporary directory
httpx.ConnectError: [Errno -3] Temporary failure in name resolution
"""
JPYPE_JAVA = """\
CMake Error at /usr/share/cmake/Modules/FindPackageHandleStandardArgs.cmake:230 (message):
  Could NOT find Java (missing: Java_JAVA_EXECUTABLE Java_JAVAC_EXECUTABLE)
"""
JPYPE_ANT = """\
CMake Error at CMakeLists.txt:51 (find_program):
  Could not find ANT_EXECUTABLE using the following names: ant
"""
BISON = JPYPE_ANT.replace("ANT", "BISON").replace("ant", "bison")
CMAKE = """\
-- Could NOT find Doxygen (missing: DOXYGEN_EXECUTABLE)
CMake Error at /usr/share/cmake/Modules/FindPackageHandleStandardArgs.cmake:230 (message):
  Could NOT find ZLIB (missing: ZLIB_LIBRARY ZLIB_INCLUDE_DIR)
"""
CMAKE_MESSAGE = """\
-- Looking for libzmq in /usr - no
CMake Error at CMakeLists.txt:196 (message):
  libzmq not found in
  ZMQ_PREFIX=/usr


-- Configuring incomplete, errors occurred!
"""
NO_DOT = """\
    raise child_exception_type(errno_num, err_msg, err_filename)
FileNotFoundError: [Errno 2] No such file or directory: 'dot'
"""
GDAL_CONFIG = """\
WARNING:root:Failed to get options via gdal-config: [Errno 2] No such file or directory: 'gdal-config'
CRITICAL:root:A GDAL API version must be specified. Provide a path to gdal-config using a GDAL_CONFIG environment
"""
MESON_WRAP = """\
Run-time dependency libcsiphash-1 found: NO  (tried pkg-config and cmake)
Looking for a fallback subproject for the dependency libcsiphash-1
ERROR: Subproject libcsiphash-1 is buildable: NO

../meson.build:14:14: ERROR: Git program not found, cannot download libcsiphash-1.wrap via git.
"""
BUNDLED = """\
*WARNING* no libcapnp detected or rebuild forced. Attempting to build it from source now. If you have C++ Cap'n Proto
error: <urlopen error [Errno -2] Name or service not known>
"""
H5 = """\
H5closeixhpvfnm.c:1:10: fatal error: H5public.h: No such file or directory
    1 | #include "H5public.h"
compilation terminated.
.. ERROR:: Could not find a local HDF5 installation headers (hdrdir=None) and/or libdir (libdir=False).
"""
CONFLUENT_KAFKA = """\
confluent_kafka.h:66:2: error: #error "confluent-kafka-python requires librdkafka v2.16.0 or later. Install the latest"
"""
RUST = "error: can't find Rust compiler\n\nIf you are using an outdated pip version, it is possible a prebuilt wheel is"
LBER = "Modules/constants.h:8:10: fatal error: lber.h: No such file or directory\ncompilation terminated."
GEOS = '../meson.build:34:7: ERROR: Dependency "geos" not found, tried pkgconfig and cmake'
PROJ = "ERROR: Minimum supported PROJ version is 9.4.0, installed version is 9.1.1. For more information see"
FORTRAN = "../meson.build:1:0: ERROR: Unknown compiler(s): [['gfortran'], ['flang-new'], ['flang'], ['nvfortran']]"


def first_of(log: str) -> Finding | None:
    return next(iter(read_findings(log)), None)


@pytest.mark.parametrize(
    ("log", "cause", "remedy"),
    [
        (LBER, "the C header lber.h is missing", 'apt = ["libldap2-dev"]'),
        (
            "src/module.h:5:10: fatal error: sqlite3.h: No such file or directory",
            "the C header sqlite3.h",
            "libsqlite3-dev",
        ),
        (H5, "the C header H5public.h is missing", 'apt = ["libhdf5-dev"]'),
        ("x.c:1:10: fatal error: libxml/xpath.h: No such file or directory", "header libxml/xpath.h", "libxml2-dev"),
        ("/usr/bin/ld: cannot find -lyaml: No such file or directory", "the library yaml is missing", "libyaml-dev"),
        ("x.c:1:10: fatal error: openssl/ssl.h: No such file or directory", "header openssl/ssl.h", "libssl-dev"),
        ("x.c:1:10: fatal error: ft2build.h: No such file or directory", "header ft2build.h", "libfreetype-dev"),
        (
            "x.c:1:10: fatal error: nowhere.h: No such file or directory",
            "header nowhere.h",
            "apt-file search nowhere.h",
        ),
        ("/usr/bin/ld: cannot find -lpython3.13: No such file", "links libpython3.13", "the interpreter has all of it"),
        ("../meson.build:35:9: ERROR: Dependency 'cairo' is required but not found.", "know cairo", "libcairo2-dev"),
        (
            "ERROR: Dependency lookup for raqm failed: Invalid version, need 'raqm' ['>=0.10.4'] found '0.7.0'.",
            "it wants raqm >=0.10.4, and the builder has 0.7.0",
            "newer suite",
        ),
        ("/usr/bin/ld.gold: error: cannot find -lz", "the library z is missing", "zlib1g-dev"),
        ("/usr/bin/ld.bfd: cannot find -lstdc++", "the library stdc++ is missing", "libstdc++.so"),
        ("Error: pg_config executable not found.", "the program pg_config is missing", "libpq-dev"),
        ("/bin/sh: 1: mysql_config: not found", "the program mysql_config is missing", "default-libmysqlclient-dev"),
        (PKGCONF, "pkg-config does not know libexample", "libexample.pc"),
        ("No package 'dbus-1' found", "pkg-config does not know dbus-1", "libdbus-1-dev"),
        ("Package 'dbus-1' not found", "pkg-config does not know dbus-1", "libdbus-1-dev"),
        (GEOS, "pkg-config does not know geos", "libgeos-dev"),
        (MYSQLCLIENT, "pkg-config does not know mysqlclient", "default-libmysqlclient-dev"),
        ("Exception: Can not find valid pkg-config name.", "pkg-config does not know a library", "-dev package"),
        (PYTHON_PRCTL, "the development files of libcap are missing", "libcap-dev"),
        (LXML, "the development files of libxml2 are missing", 'apt = ["libxml2-dev"]'),
        (PILLOW, "the library jpeg is missing", "libjpeg62-turbo-dev"),
        ("__main__.RequiredDependencyException: jpeg", "the library jpeg is missing", "libjpeg62-turbo-dev"),
        ("DistutilsError: xmlsec1 is not installed or not in path.", "xmlsec1 is not installed", "libxmlsec1-dev"),
        (FORTRAN, "it needs a Fortran compiler", '"fortran"'),
        (MATURIN, "it needs a Rust toolchain", '"rust"'),
        (RUST, "it needs a Rust toolchain", '"rust"'),
        ("Cargo, the Rust package manager, is not installed or is not on PATH.", "it needs a Rust toolchain", "rust"),
        (JPYPE_JAVA, "it needs Java", '"java"'),
        (JPYPE_ANT, "it needs ant", '"java"'),
        (BISON, "CMake does not find bison", "apt-file search bin/bison"),
        (CMAKE, "CMake does not find ZLIB", "zlib1g-dev"),
        (NO_DOT, "the program dot is missing", "graphviz"),
        (GDAL_CONFIG, "the program gdal-config is missing", 'apt = ["libgdal-dev"]'),
        ("[Errno 2] No such file or directory: 'other-config'", "other-config is missing", "apt-file search bin/other"),
        ("error in demjson setup command: use_2to3 is invalid.", "written for Python 2", "newer release"),
        (MESON_WRAP, "Meson does not find libcsiphash-1", "subprojects/ by sources"),
        (MESON_WRAP.replace("csiphash-1", "dbus-1"), "Meson does not find libdbus-1", 'apt = ["libdbus-1-dev"]'),
        (BUNDLED, "the library libcapnp is missing", 'apt = ["libcapnp-dev"]'),
        (CMAKE_MESSAGE, "its CMake project refuses: libzmq not found in ZMQ_PREFIX=/usr", "-dev package"),
        (
            "Minimum supported PROJ version is 9.4.0, installed version is 9.1.1.",
            "it needs PROJ 9.4.0 or newer",
            "suite",
        ),
        (CONFLUENT_KAFKA, "refuses to be compiled here: confluent-kafka-python requires librdkafka", "newer suite"),
        ("curl: (6) Could not resolve host: download.libsodium.org", "tried to reach the network", "sources (url"),
        ("OSError: [Errno 28] No space left on device", "its scratch space is full", ""),
        ("ModuleNotFoundError: No module named 'numpy'", "the Python module numpy is missing", ""),
        ("error: command '/usr/bin/gcc' failed with exit code 1", "the command /usr/bin/gcc failed", ""),
        ("error: Command '['gcc', '-c', 'a.c']' returned non-zero exit status 1.", "the command gcc failed", ""),
        ("src/a.c:1:27: error: 'x' undeclared (first use)", "src/a.c:1 does not compile: 'x' undeclared", ""),
        ("_configtest.c:5:1: error: 'x' undeclared", None, ""),
        ("conftest.cpp:5:1: error: 'x' undeclared", None, ""),
    ],
)
def test_message_is_explained(log: str, cause: str | None, remedy: str) -> None:
    found = first_of(f"creating build\n{log}\nERROR Backend subprocess exited\n")
    assert (found is None) is (cause is None)
    if found is not None and cause is not None:
        assert cause in found.cause
        assert remedy in found.remedy


@pytest.mark.parametrize(
    "log",
    [
        "",
        "Segmentation fault (core dumped)",
        "-- Could NOT find Doxygen (missing: DOXYGEN_EXECUTABLE)",
        "checking for libyaml... no\nchecking for curl-config... not found",
        "Run-time dependency cairo found: NO (tried pkg-config and cmake)\nProgram doxygen found: NO",
        "-- Could NOT find PythonLibs (missing: PYTHON_LIBRARIES)\n-- Could NOT find JNI (missing: JAVA_INCLUDE_PATH)",
        "conftest.c:10:10: fatal error: sys/byteorder.h: No such file or directory",
        "Package versions were checked; all are found",
        "warning: #error is only a word here",
        "running build_ext\nbuilding 'demo._c' extension",
    ],
)
def test_what_is_not_recognised_is_not_guessed(log: str) -> None:
    assert first_of(log) is None


def test_missing_header_says_more_than_the_command_that_failed_for_it() -> None:
    found = first_of(
        "ModuleNotFoundError: No module named 'docs'\n"
        "a.c:1:10: fatal error: yaml.h: No such file or directory\n"
        "error: command '/usr/bin/gcc' failed with exit code 1\n"
    )
    assert found is not None
    assert found.cause == "the C header yaml.h is missing"


def test_first_missing_header_is_the_one_that_is_named() -> None:
    found = first_of("".join(f"fatal error: {name}.h: No such file or directory\n" for name in ("one", "two")))
    assert found is not None
    assert "one.h" in found.cause


def test_braces_in_a_log_are_only_text() -> None:
    found = first_of('x.c:1:2: error: #error "{0} and {missing}"')
    assert found is not None
    assert found.cause == "its source refuses to be compiled here: {0} and {missing}"


def test_log_without_line_ends_is_read_in_reasonable_time() -> None:
    assert first_of("Package " * 8000 + "make sure the " * 4000 + "a" * 60000) is None


def test_what_is_one_sentence_of_a_log_can_be_several_findings() -> None:
    assert [(one.name, one.line) for one in read_findings(LXML)] == [
        ("libxml2", "Error: Please make sure the libxml2 and libxslt development packages are installed."),
        ("libxslt", "Error: Please make sure the libxml2 and libxslt development packages are installed."),
    ]


def test_all_findings_are_told_once_each_the_most_specific_first() -> None:
    missing = "".join(f"{one}.c:1:10: fatal error: {one}.h: No such file or directory\n" for one in ("b", "a", "b"))
    found = read_findings(f"error: command '/usr/bin/gcc' failed with exit code 1\n{PKGCONF}{missing}{FORTRAN}")
    assert [(one.kind.value, one.name) for one in found] == [
        ("header-missing", "b.h"),
        ("header-missing", "a.h"),
        ("pkg-config-missing", "libexample"),
        ("toolchain-missing", "fortran"),
    ]


def test_at_most_forty_findings_are_kept() -> None:
    log = "".join(f"fatal error: {number}.h: No such file or directory\n" for number in range(1000))
    assert len(read_findings(log)) == 40


@pytest.mark.parametrize(
    "log",
    [
        "fatal error: a/../../b.h: No such file or directory",
        "Package '-oDebug' not found",
        "/usr/bin/ld: cannot find --version",
        "No package '../x' found",
        f"fatal error: {'a' * 150}.h: No such file or directory",
    ],
)
def test_names_that_are_not_safe_are_not_handed_on(log: str) -> None:
    assert [one.name for one in read_findings(log)] == []


def test_colours_and_control_characters_are_not_handed_on() -> None:
    (found,) = read_findings("\x1b[1ma.c:1:1: \x1b[31mfatal error: \x1b[mx.h: No such file or directory\a\x00\n")
    assert (found.name, found.line) == ("x.h", "a.c:1:1: fatal error: x.h: No such file or directory")


def test_problems_of_a_proof_name_libraries_and_modules() -> None:
    found = host_findings(
        [
            "import of a: ImportError: libexpat.so.1: cannot open shared object file: No such file or directory",
            "import of b: ModuleNotFoundError: No module named 'psycopg'",
            "import of c: ImportError: c.so: undefined symbol: sqlite3_open",
            "import of d: ImportError: libexpat.so.1: cannot open shared object file: No such file or directory",
        ]
    )
    assert [(one.kind.value, one.name) for one in found] == [
        ("host-library-missing", "libexpat.so.1"),
        ("python-module-missing", "psycopg"),
        ("command-failed", "sqlite3_open"),
    ]
