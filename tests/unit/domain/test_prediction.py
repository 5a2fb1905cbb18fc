"""What builds need, predicted from their sdists: what is certain is required, what depends on a condition is not."""

import time

import pytest

from wheelyard.domain.healing.prediction import predict_needs
from wheelyard.domain.sdist.contents import SdistContents
from wheelyard.domain.sdist.need import MOST_NEEDS, Need, merge_needs

_ONE_EXTENSION = "from setuptools import Extension, setup\nsetup(ext_modules=[Extension('a._a', ['a/a.c'])])\n"
_LENIENT = """
class Lenient(build_ext):
    def run(self):
        try:
            super().run()
        except Exception:
            pass
"""
_MESON = "[build-system]\nrequires = ['meson-python']\nbuild-backend = 'mesonpy'\n"
_CMAKE = "[build-system]\nrequires = ['scikit-build-core']\nbuild-backend = 'scikit_build_core.build'\n"
_MATURIN = "[build-system]\nrequires = ['maturin>=1']\nbuild-backend = 'maturin'\n"


def predict(files: dict[str, str]) -> tuple[Need, ...]:
    return predict_needs(SdistContents(names=tuple(files), texts=files))


def shown(needs: tuple[Need, ...], *, required: bool) -> list[str]:
    return [
        one.toolchain or f"{one.wanted[0].kind}:{one.wanted[0].name}{one.bound}"
        for one in needs
        if one.is_required is required
    ]


def required(files: dict[str, str]) -> list[str]:
    return shown(predict(files), required=True)


def optional(files: dict[str, str]) -> list[str]:
    return shown(predict(files), required=False)


@pytest.mark.parametrize(
    ("text", "headers"),
    [
        ("#include <Python.h>\n#include <fftw3.h>\n", ["header:fftw3.h"]),
        ("  #  include <sys/acl.h>\n#include <sys/types.h>", ["header:sys/acl.h"]),
        ("#ifndef A_H\n#define A_H\n#include <lber.h>\n#endif", ["header:lber.h"]),
        ("/* #include <no.h>\n#include <no.h> */ #define X\n// #include <no.h>\n#include <lber.h>", ["header:lber.h"]),
        ('const char *t = "/*";\n#include <lber.h>\n', ["header:lber.h"]),
        ("// it's /* no comment\n#include <lber.h>\n", ["header:lber.h"]),
        ("#ifdef _WIN32\n#include <no.h>\n#else\n#include <lber.h>\n#endif", ["header:lber.h"]),
        ("#if !defined(_WIN32) && !defined(__APPLE__)\n#include <lber.h>\n#endif", ["header:lber.h"]),
        ("#if defined(__APPLE__) || defined(__linux__)\n#include <lber.h>\n#endif", ["header:lber.h"]),
        ("#if 0\n#include <no.h>\n#elif 1\n#include <lber.h>\n#else\n#include <no.h>\n#endif", ["header:lber.h"]),
        ("#if defined(_MSC_VER) && _MSC_VER >= 1900\n#include <no.h>\n#endif", []),
        ("#ifdef __cplusplus\n#include <no.hpp>\n#endif", []),
        ("#include <windows.h>\n#include <mach/mach.h>\n#include <numpy/arrayobject.h>\n#include <vector>\n", []),
        ('#include "config.h"\n#include "a.pb.h"\n#include "../table.c"\n', []),
    ],
)
def test_header_that_is_included_for_certain_is_required(text: str, headers: list[str]) -> None:
    files = {"setup.py": _ONE_EXTENSION, "a/a.c": text}
    assert required(files) == headers
    assert optional(files) == []


@pytest.mark.parametrize(
    "text",
    [
        "#ifdef HAVE_LBER\n#include <lber.h>\n#endif",
        "#if __has_include(<lber.h>)\n#include <lber.h>\n#endif",
        "#if LEVEL > 2 || (defined(X) && !Y(3))\n#include <lber.h>\n#endif",
        "#ifdef _WIN32\n#elif defined(X)\n#include <lber.h>\n#endif",
    ],
)
def test_header_of_an_unknown_condition_is_optional(text: str) -> None:
    files = {"setup.py": _ONE_EXTENSION, "a/a.c": text}
    assert required(files) == []
    assert optional(files) == ["header:lber.h"]


def test_headers_of_the_sdist_are_followed_and_not_needed() -> None:
    files = {
        "setup.py": _ONE_EXTENSION,
        "a/a.c": '#include "inner.h"\n#include <carried/x.h>\n#include "made.h"\n',
        "a/inner.h": "#pragma once\n#include <lber.h>\n",
        "third_party/include/carried/x.h": "",
        "a/made.h.in": "",
    }
    assert required(files) == ["header:lber.h"]


def test_headers_of_cython_are_found_through_its_modules() -> None:
    files = {
        "setup.py": "setup(ext_modules=cythonize([Extension('a', ['a/_a.c'])]))",
        "a/_a.pyx": "cimport cython\nfrom a.c_api cimport x\ncdef extern from *:\n    pass\n",
        "a/c_api.pxd": "cdef extern from 'leveldb/c.h' nogil:\n    void f()\ncdef extern from \"<string>\":\n",
    }
    assert required(files) == ["header:leveldb/c.h"]


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("setup(ext_modules=[Extension('a', [], libraries=['pq', 'm', 'pthread'])])", ["library:pq"]),
        ("LIBS = ['pq']\nLIBS += ['crypt']\nsetup(ext_modules=[Extension('a', [], libraries=LIBS)])", ["library:pq"]),
        (
            "if sys.platform == 'win32':\n    l = ['libpq']\nelse:\n    l = ['pq']\nExtension('a', [], libraries=l)",
            ["library:pq"],
        ),
        ("p = lib() or ''\nExtension('a', [], libraries=['pq', p + 'mux', f'{p}demux'])", ["library:pq"]),
        ("if os.name == 'posix':\n    Extension('a', [], libraries=['pq'])", ["library:pq"]),
        ("Extension('a', [], extra_link_args=['-lpq', '-O2'])", ["library:pq"]),
        ("Pybind11Extension('a', [], libraries=['pq'] if not WINDOWS else ['libpq'])", ["library:pq"]),
        ("def exts():\n    return [Extension('a', [], libraries=['pq'])]\nsetup(ext_modules=exts())", ["library:pq"]),
        (
            "subprocess.check_output(['pkg-config', '--cflags', 'libxml-2.0 >= 2.9', 'x11'])",
            ["pkg-config:libxml-2.0>=2.9", "pkg-config:x11"],
        ),
        ("os.popen('pkg-config --libs fuse3').read()", ["pkg-config:fuse3"]),
        ("pkgconfig.parse('cairo')", ["pkg-config:cairo"]),
        ("run(['pg_config', '--includedir'])", ["program:pg_config"]),
        ("try:\n    run(['pg_config'])\nexcept OSError:\n    raise SystemExit", ["program:pg_config"]),
        (
            "subprocess.check_call(['sh', './autogen.sh'])",
            ["program:autoconf", "program:automake", "program:libtoolize"],
        ),
        ("Extension('_a', ['a.i'])", ["program:swig"]),
        ("if 'clean' not in sys.argv[1:]:\n    Extension('a', [], libraries=['pq'])", ["library:pq"]),
        (
            "if os.environ.get('NO_PQ'):\n    libs = []\nelse:\n    libs = ['pq']\nExtension('a', [], libraries=libs)",
            ["library:pq"],
        ),
        ("o = dict(libraries=['pq'])\nExtension('a', [], **o)", ["library:pq"]),
        ("o = {}\no['libraries'] = ['pq']\nExtension('a', [], **o)", ["library:pq"]),
        ("if int(os.getenv('DEBUG', '0')):\n    pass\nelse:\n    run('pkg-config --libs x11')", ["pkg-config:x11"]),
        ("run(['pkg-config', '--variable', 'api', 'libvirt'])", ["pkg-config:libvirt"]),
        ("Extension('_a', ['a.f90'])", ["fortran"]),
    ],
)
def test_what_a_setup_script_certainly_asks_for_is_required(script: str, found: list[str]) -> None:
    assert required({"setup.py": script, "a.i": "", "a.f90": ""}) == found


@pytest.mark.parametrize(
    "script",
    [
        "if os.environ.get('WITH_PQ'):\n    Extension('a', [], libraries=['pq'])",
        "if have('pq'):\n    libs.append('pq')\nExtension('a', [], libraries=libs)",
        "Extension('a', [], libraries=['pq'], optional=True)",
        "def never_called():\n    Extension('a', [], libraries=['pq'])",
        _LENIENT + "Extension('a', [], libraries=['pq'])",
    ],
)
def test_what_a_setup_script_may_do_without_is_optional(script: str) -> None:
    assert required({"setup.py": script}) == []
    assert optional({"setup.py": script}) == ["library:pq"]


@pytest.mark.parametrize(
    "script",
    [
        "if sys.platform == 'darwin':\n    Extension('a', [], libraries=['pq'])",
        "if platform.system() == 'Windows':\n    Extension('a', [], libraries=['pq'])",
        "Extension('a', [], libraries=['ws2_32', 'm', 'stdc++'])",
        "setup(libraries=[('pq', {'sources': []})], ext_modules=[Extension('a', [], libraries=['pq'])])",
        "subprocess.run(['pkg-config', '--version'])",
        "print('pg_config')",
        "run(['make', 'print-config'])",
        "pkg_config('modversion')",
        "def f(:\n",
        "x = '" + "(" * 10_000,
    ],
)
def test_what_linux_does_not_need_is_no_need(script: str) -> None:
    assert predict({"setup.py": script}) == ()


def test_cffi_sources_named_by_the_setup_script_are_read() -> None:
    files = {
        "setup.py": "setup(cffi_modules=['a/ffi_build.py:ffi'])",
        "a/ffi_build.py": "C = '''\n#include <git2.h>\n'''\nffi.set_source('a._a', C, libraries=['git2'])",
    }
    assert required(files) == ["library:git2", "header:git2.h"]


def test_what_a_script_computes_is_required_if_a_script_names_the_library_too() -> None:
    files = {
        "setup.py": "config = 'gdal-config'\nsetup(ext_modules=[Extension('a', sources_of('a'))])",
        "a/a.pyx": "cdef extern from 'gdal.h':\n    pass\ncdef extern from 'odd.h':\n    pass\n",
    }
    assert (required(files), optional(files)) == (["header:gdal.h"], ["header:odd.h"])


def test_cython_decides_at_compile_time_about_what_is_indented() -> None:
    files = {
        "setup.py": "setup(ext_modules=[Extension('a', ['a.pyx'])])",
        "a.pyx": "IF HAVE_QD:\n    cdef extern from 'qd/dd_real.h':\n        pass\n",
    }
    assert (required(files), optional(files)) == ([], ["header:qd/dd_real.h"])


def test_header_of_a_build_requirement_is_not_needed() -> None:
    files = {
        "pyproject.toml": "[build-system]\nrequires = ['blosc2>=2']",
        "setup.py": _ONE_EXTENSION,
        "a/a.c": "#include <blosc2.h>\n#include <blosc2/x.h>\n",
    }
    assert predict(files) == ()


def test_header_of_a_carried_project_is_optional() -> None:
    files = {"setup.py": _ONE_EXTENSION, "a/a.c": "#include <isa-l/crc.h>\n", "a/isa-l/configure.ac": ""}
    assert (required(files), optional(files)) == ([], ["header:isa-l/crc.h"])


def test_few_headers_of_one_folder_are_needs() -> None:
    files = {"setup.py": _ONE_EXTENSION, "a/a.c": "".join(f"#include <lzo/{name}.h>\n" for name in "abcdef")}
    assert len(required(files)) == 3


def test_library_with_sources_in_the_sdist_is_optional() -> None:
    files = {"setup.py": "Extension('a', [], libraries=['zstd'])", "deps/libzstd-1.5/zstd.c": ""}
    assert (required(files), optional(files)) == ([], ["library:zstd"])


@pytest.mark.parametrize(
    ("text", "needed", "others"),
    [
        ("dependency('geos', version: '>=3.10')", ["pkg-config:geos>=3.10"], []),
        ("x = dependency('dbus-1', required : false)", [], ["pkg-config:dbus-1"]),
        ("x = dependency('webp', required: get_option('webp'))", [], ["pkg-config:webp"]),
        ("x = dependency('jack', required: get_option('jack'))", ["pkg-config:jack"], []),
        ("x = dependency('alsa', required: get_option('alsa'))", [], ["pkg-config:alsa"]),
        (
            "if host_machine.system() == 'windows'\ndependency('no')\nelse\ndependency('x11')\nendif",
            ["pkg-config:x11"],
            [],
        ),
        ("if get_option('flag')\n  dependency('x11')\nendif", ["pkg-config:x11"], []),
        ("if cc.has_function('x')\n  dependency('x11')\nendif", [], ["pkg-config:x11"]),
        ("# dependency('no')\nm = '''\ndependency('no')\n'''", [], []),
        ("py.dependency()\ndependency('threads')\ndependency('numpy')\nd = dependency(name)", [], []),
        ("cc.find_library('mecab')\ncc.find_library('m')", ["library:mecab"], []),
        ("find_program('swig', 'swig4.0')\nfind_program('tool.py')\nfind_program('python3')", ["program:swig"], []),
        ("cc.has_header('lber.h', required: true)\ncc.has_header('ldap.h')", ["header:lber.h"], ["header:ldap.h"]),
        ("project('a', 'c', 'fortran')", ["fortran"], []),
        ("subdir('src')", ["pkg-config:deep"], []),
        (
            "d = dependency('a1', required: false)\nif not d.found()\nd = dependency('a2')\nendif",
            ["pkg-config:a2"],
            ["pkg-config:a1"],
        ),
        ("name = 'openblas'\nd = dependency(name)", ["pkg-config:openblas"], []),
        ("d = dependency(['a1', 'A1'])", ["pkg-config:a1"], []),
        ("d = dependency('a1', required: host_machine.system() != 'windows')", ["pkg-config:a1"], []),
        ("dependency('carried', fallback: ['carried', 'dep'])", [], ["pkg-config:carried"]),
    ],
)
def test_dependencies_of_meson(text: str, needed: list[str], others: list[str]) -> None:
    files = {
        "pyproject.toml": _MESON + "[tool.meson-python.args]\nsetup = ['-Djack=enabled', '-Dalsa=disabled']\n",
        "meson.build": text,
        "src/meson.build": "dependency('deep')",
        "tool.py": "",
        "meson.options": "option('webp', type: 'feature')\noption('flag', type: 'boolean', value: true)\n"
        "option('jack', type : 'feature', value : 'auto')\noption('alsa', type : 'feature')",
        "subprojects/carried/meson.build": "dependency('no')",
    }
    assert (required(files), optional(files)) == (needed, others)


@pytest.mark.parametrize(
    ("text", "needed", "others"),
    [
        ("find_package(ZLIB REQUIRED)", ["header:zlib.h"], []),
        ("find_package(PROJ 9.4 REQUIRED CONFIG)", ["cmake:PROJ>=9.4"], []),
        ("find_package(LZ4)", [], ["cmake:LZ4"]),
        ("find_package(Python REQUIRED)\nfind_package(pybind11 REQUIRED)\nfind_package(Threads REQUIRED)", [], []),
        (
            "pkg_check_modules(ZMQ REQUIRED IMPORTED_TARGET libzmq>=4.1 libsodium)",
            ["pkg-config:libzmq>=4.1", "pkg-config:libsodium"],
            [],
        ),
        ("pkg_check_modules(ZMQ libzmq)", [], ["pkg-config:libzmq"]),
        (
            "if(WIN32)\nfind_package(No)\nelseif(UNIX)\nfind_package(EXPAT REQUIRED)\nendif()",
            ["header:expat.h"],
            [],
        ),
        ('option(WITH_X "" OFF)\nif(WITH_X)\nfind_package(X11 REQUIRED)\nendif()', [], []),
        ('option(WITH_X "" ON)\nif(WITH_X)\nfind_package(X11 REQUIRED)\nendif()', ["header:X11/Xlib.h"], []),
        ("if(SOMETHING MATCHES x)\nfind_package(X11 REQUIRED)\nendif()", [], ["header:X11/Xlib.h"]),
        (
            "find_library(M NAMES mecab)\nif(NOT M)\nmessage(FATAL_ERROR no)\nendif()\nfind_package(GSL REQUIRED)",
            ["library:mecab", "header:gsl/gsl_sf.h"],
            [],
        ),
        ("function(f)\nfind_package(X11 REQUIRED)\nendfunction()", [], ["header:X11/Xlib.h"]),
        (
            '# find_package(No REQUIRED)\n#[[\nfind_package(No REQUIRED)\n]]\nmessage("find_package(No REQUIRED)")',
            [],
            [],
        ),
        ("find_program(FLEX flex REQUIRED)\nfind_program(CCACHE ccache)", ["program:flex"], []),
        ("find_package(Osmium REQUIRED)", ["header:osmium/version.hpp"], []),
        ("find_package(JNI REQUIRED)\nproject(x LANGUAGES C Fortran)", ["java", "fortran"], []),
        ("add_subdirectory(src)\nadd_subdirectory(extern/other)", ["header:curl/curl.h"], []),
        ("find_package(fmt REQUIRED)", [], ["cmake:fmt"]),
    ],
)
def test_packages_of_cmake(text: str, needed: list[str], others: list[str]) -> None:
    files = {
        "pyproject.toml": _CMAKE,
        "CMakeLists.txt": text,
        "src/CMakeLists.txt": "find_package(CURL REQUIRED)",
        "extern/other/CMakeLists.txt": "find_package(No REQUIRED)",
        "extern/fmt/CMakeLists.txt": "",
        "cmake/FindOsmium.cmake": "find_path(OSMIUM_INCLUDE osmium/version.hpp)",
    }
    assert (required(files), optional(files)) == (needed, others)


def test_files_of_cmake_that_no_backend_reads_say_nothing() -> None:
    assert predict({"setup.py": "setup()", "CMakeLists.txt": "find_package(ZLIB REQUIRED)"}) == ()


def lock(**crates: str) -> str:
    return "".join(
        f"[[package]]\nname = '{name.replace('_', '-')}'\nversion = '1.0'\ndependencies = {depends.split()}\n"
        for name, depends in crates.items()
    )


@pytest.mark.parametrize(
    ("manifest", "locked", "needed", "others"),
    [
        ("[package]\nrust-version = '1.74'", "", ["rust>=1.74"], []),
        (
            "[dependencies]\nopenssl = '1'",
            lock(openssl="openssl-sys", openssl_sys="cc pkg-config"),
            ["rust", "pkg-config:openssl"],
            [],
        ),
        ("[dependencies]\nopenssl = '1'", lock(openssl="openssl-sys", openssl_sys="cc openssl-src"), ["rust"], []),
        (
            "[dependencies]\nopenssl = { version = '1', optional = true }",
            lock(openssl="openssl-sys", openssl_sys="cc"),
            ["rust"],
            ["pkg-config:openssl"],
        ),
        (
            "[dependencies]\nlibsqlite3-sys = '1'",
            lock(libsqlite3_sys="pkg-config vcpkg"),
            ["rust", "pkg-config:sqlite3"],
            [],
        ),
        ("[dependencies]\nlibsqlite3-sys = '1'", lock(libsqlite3_sys="cc pkg-config"), ["rust"], []),
        ("[dependencies]\nzstd-sys = '1'", "", ["rust"], ["pkg-config:libzstd"]),
        ("[dependencies]\ninner = { path = 'inner' }", "", ["rust", "pkg-config:alsa"], []),
    ],
)
def test_crates_need_their_libraries(manifest: str, locked: str, needed: list[str], others: list[str]) -> None:
    files = {
        "pyproject.toml": _MATURIN,
        "Cargo.toml": manifest,
        "inner/Cargo.toml": "[dependencies]\nalsa-sys = '1'",
        **({"Cargo.lock": locked} if locked else {}),
    }
    assert (required(files), optional(files)) == (needed, others)


def test_rust_without_a_builder_of_it_is_optional() -> None:
    assert optional({"Cargo.toml": "[package]\nname = 'a'"}) == ["rust"]


def test_external_dependencies_are_read() -> None:
    text = """
    [external]
    build-requires = ["dep:virtual/compiler/rust", "dep:virtual/compiler/c", "dep:generic/make"]
    host-requires = ["dep:virtual/interface/blas", "dep:generic/libyaml@>=0.2", "dep:pypi/numpy"]
    [external.optional-host-requires]
    x = ["dep:generic/libffi"]
    """
    assert required({"pyproject.toml": text}) == ["rust", "pkg-config:openblas", "pkg-config:libyaml>=0.2"]
    assert optional({"pyproject.toml": text}) == ["pkg-config:libffi"]


def test_number_of_needs_is_limited_and_required_ones_come_first() -> None:
    sources = "".join(f"#include <lib{number}.h>\n" for number in range(500))
    files = {"setup.py": _ONE_EXTENSION, "a/a.c": f"#ifdef X\n{sources}#endif\n#include <lber.h>\n"}
    needs = predict(files)
    assert len(needs) == MOST_NEEDS
    assert needs[0].name == "lber.h"


def test_places_name_the_file_and_line() -> None:
    files = {"setup.py": _ONE_EXTENSION, "a/a.c": "\n/*\n\n*/\n#include <lber.h>\n"}
    assert [one.place for one in predict(files)] == ["a/a.c:5"]


def test_texts_that_cannot_be_shown_are_dropped() -> None:
    script = "Extension('a', [], libraries=['pq\\x1b', '" + "x" * 200 + "'])"
    assert predict({"setup.py": script}) == ()
    assert merge_needs([Need(name="a\u202e", is_required=True, place="x")]) == ()


@pytest.mark.parametrize(
    ("file", "piece"),
    [
        ("a/a.c", "#include <"),
        ("a/a.c", "#include <a.h>\n"),
        ("a/a.c", "#if defined(X) && (\n"),
        ("a/a.c", "#if " + "(" * 100 + "\n"),
        ("a/a.c", "/*"),
        ("a/a.c", '\\"'),
        ("a/a.c", "'"),
        ("a/a.c", "#ifndef A\n#define A\n"),
        ("a/a.pyx", "cdef extern from "),
        ("a/a.pyx", "from a cimport b\n"),
        ("a/a.pyx", "\n"),
        ("meson.build", "dependency("),
        ("meson.build", "dependency('a',"),
        ("meson.build", "if ("),
        ("meson.build", "if not\n"),
        ("meson.build", "'''"),
        ("meson.build", "subdir('.')\n"),
        ("meson.options", "option('a', "),
        ("CMakeLists.txt", "find_package("),
        ("CMakeLists.txt", "if(NOT\n"),
        ("CMakeLists.txt", "#[[a]"),
        ("CMakeLists.txt", "[=["),
        ("CMakeLists.txt", "if(X)\n"),
        ("CMakeLists.txt", "include(a)\n"),
        ("CMakeLists.txt", 'a("'),
        ("setup.py", "pkgconfig.parse("),
        ("setup.py", "x = x + x\n"),
        ("setup.py", "run(["),
        ("setup.py", "-"),
        ("setup.py", "a = b\nb = a + a\nExtension('a', b)\n"),
        ("setup.py", "try:\n pass\nexcept A:\n pass\n"),
        ("setup.cfg", "[a]\nlibs = a\n"),
        ("Cargo.toml", "[[a]]\n"),
    ],
)
def test_hostile_texts_cost_little(file: str, piece: str) -> None:
    files = {
        "pyproject.toml": "[build-system]\nrequires = ['meson-python', 'scikit-build-core', 'maturin']\n",
        "setup.py": "Extension('a', ['a/a.c', 'a/a.pyx'])",
        "a/a.c": "",
        "a/a.pyx": "",
        file: piece * ((128 << 10) // len(piece)),
    }
    begin = time.process_time()
    predict(files)
    assert time.process_time() - begin < 2.0
