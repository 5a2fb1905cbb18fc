"""What a failed build's log is understood to say: lines as real builds on Debian 12 wrote them."""

import pytest

from wheelyard.domain.diagnosis import diagnose

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
CONFLUENT_KAFKA = """\
confluent_kafka.h:66:2: error: #error "confluent-kafka-python requires librdkafka v2.16.0 or later. Install the latest"
"""
RUST = "error: can't find Rust compiler\n\nIf you are using an outdated pip version, it is possible a prebuilt wheel is"
LBER = "Modules/constants.h:8:10: fatal error: lber.h: No such file or directory\ncompilation terminated."
GEOS = '../meson.build:34:7: ERROR: Dependency "geos" not found, tried pkgconfig and cmake'
PROJ = "ERROR: Minimum supported PROJ version is 9.4.0, installed version is 9.1.1. For more information see"
FORTRAN = "../meson.build:1:0: ERROR: Unknown compiler(s): [['gfortran'], ['flang-new'], ['flang'], ['nvfortran']]"


@pytest.mark.parametrize(
    ("log", "cause", "remedy"),
    [
        (LBER, "the C header lber.h is missing", "apt-file search lber.h"),
        ("src/module.h:5:10: fatal error: sqlite3.h: No such file or directory", "the C header sqlite3.h", "-dev"),
        ("x.c:1:10: fatal error: libxml/xpath.h: No such file or directory", "header libxml/xpath.h", "-dev package"),
        ("/usr/bin/ld: cannot find -lyaml: No such file or directory", "the library yaml is missing", "libyaml.so"),
        ("/usr/bin/ld.gold: error: cannot find -lz", None, ""),
        ("/usr/bin/ld.bfd: cannot find -lstdc++", "the library stdc++ is missing", "libstdc++.so"),
        ("Error: pg_config executable not found.", "the program pg_config is missing", "holds pg_config"),
        ("/bin/sh: 1: mysql_config: not found", "the program mysql_config is missing", "holds mysql_config"),
        (PKGCONF, "pkg-config does not know libexample", "libexample.pc"),
        ("No package 'dbus-1' found", "pkg-config does not know dbus-1", "dbus-1.pc"),
        ("Package 'dbus-1' not found", "pkg-config does not know dbus-1", "dbus-1.pc"),
        (GEOS, "pkg-config does not know geos", "geos.pc"),
        (MYSQLCLIENT, "pkg-config does not know mysqlclient", "mysqlclient.pc"),
        ("Exception: Can not find valid pkg-config name.", "pkg-config does not know a library", "-dev package"),
        (PYTHON_PRCTL, "the development files of libcap are missing", "-dev package of libcap"),
        (LXML, "the development files of libxml2 and libxslt are missing", "libxml2 and libxslt"),
        (PILLOW, "the library jpeg is missing", "-dev package of jpeg"),
        ("__main__.RequiredDependencyException: jpeg", "the library jpeg is missing", "-dev package of jpeg"),
        ("DistutilsError: xmlsec1 is not installed or not in path.", "xmlsec1 is not installed", "of xmlsec1"),
        (FORTRAN, "it needs a Fortran compiler", '"fortran"'),
        (MATURIN, "it needs a Rust toolchain", '"rust"'),
        (RUST, "it needs a Rust toolchain", '"rust"'),
        ("Cargo, the Rust package manager, is not installed or is not on PATH.", "it needs a Rust toolchain", "rust"),
        (JPYPE_JAVA, "it needs Java", '"java"'),
        (JPYPE_ANT, "it needs ant", '"java"'),
        (BISON, "CMake does not find bison", "apt-file search bin/bison"),
        (CMAKE, "CMake does not find ZLIB", "-dev package of ZLIB"),
        (
            "Minimum supported PROJ version is 9.4.0, installed version is 9.1.1.",
            "it needs PROJ 9.4.0 or newer",
            "suite",
        ),
        (CONFLUENT_KAFKA, "refuses to be compiled here: confluent-kafka-python requires librdkafka", "newer suite"),
        ("curl: (6) Could not resolve host: download.libsodium.org", "tried to reach the network", "download"),
        ("OSError: [Errno 28] No space left on device", "its scratch space is full", "WHEELYARD_LIMIT_SCRATCH_BYTES"),
        ("ModuleNotFoundError: No module named 'numpy'", "the Python module numpy is missing", ""),
        ("error: command '/usr/bin/gcc' failed with exit code 1", "the command /usr/bin/gcc failed", ""),
        ("error: Command '['gcc', '-c', 'a.c']' returned non-zero exit status 1.", "the command gcc failed", ""),
        ("src/a.c:1:27: error: 'x' undeclared (first use)", "src/a.c:1 does not compile: 'x' undeclared", ""),
        ("_configtest.c:5:1: error: 'x' undeclared", None, ""),
        ("conftest.cpp:5:1: error: 'x' undeclared", None, ""),
    ],
)
def test_message_is_explained(log: str, cause: str | None, remedy: str) -> None:
    found = diagnose(f"creating build\n{log}\nERROR Backend subprocess exited\n")
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
        "Package versions were checked; all are found",
        "warning: #error is only a word here",
        "running build_ext\nbuilding 'demo._c' extension",
    ],
)
def test_what_is_not_recognised_is_not_guessed(log: str) -> None:
    assert diagnose(log) is None


def test_missing_header_says_more_than_the_command_that_failed_for_it() -> None:
    found = diagnose(
        "ModuleNotFoundError: No module named 'docs'\n"
        "a.c:1:10: fatal error: yaml.h: No such file or directory\n"
        "error: command '/usr/bin/gcc' failed with exit code 1\n"
    )
    assert found is not None
    assert found.cause == "the C header yaml.h is missing"


def test_first_missing_header_is_the_one_that_is_named() -> None:
    found = diagnose("".join(f"fatal error: {name}.h: No such file or directory\n" for name in ("one", "two")))
    assert found is not None
    assert "one.h" in found.cause


def test_braces_in_a_log_are_only_text() -> None:
    found = diagnose('x.c:1:2: error: #error "{0} and {missing}"')
    assert found is not None
    assert found.cause == "its source refuses to be compiled here: {0} and {missing}"


def test_log_without_line_ends_is_read_in_reasonable_time() -> None:
    assert diagnose("Package " * 8000 + "make sure the " * 4000 + "a" * 60000) is None
