"""Predictions for condensed build files of real projects, with what each of them needs on Debian."""

from dataclasses import dataclass, field

import pytest

from wheelyard.domain.healing.prediction import predict_needs
from wheelyard.domain.sdist.contents import SdistContents

_MESON = "[build-system]\nrequires = ['meson-python']\nbuild-backend = 'mesonpy'\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    files: dict[str, str]
    required: list[str]
    optional: list[str] = field(default_factory=list)


_HIDAPI = """
import os, sys
import pkgconfig
def to_bool(value): return value == "1"
def embedded():
    if sys.platform.startswith("win"):
        modules = [Extension("hid", sources=["hid.pyx"], libraries=["setupapi"])]
    elif sys.platform.startswith("linux"):
        modules = []
        if "--with-libusb" in sys.argv:
            WITH_LIBUSB = True
        else:
            WITH_LIBUSB = to_bool(os.getenv("WITH_LIBUSB"))
        modules.append(Extension("hidraw", sources=["hidraw.pyx"], libraries=["udev"]))
    else:
        raise ValueError("unknown")
    return modules
if "--with-system-hidapi" in sys.argv:
    modules = [Extension("hid", sources=["hid.pyx"], libraries=["hidapi"])]
else:
    modules = embedded()
setup(ext_modules=modules)
"""

_MYSQLCLIENT = """
def find_package_name():
    for pkg in ["mysqlclient", "mariadb"]:
        try:
            subprocess.check_call(f"pkg-config --exists {pkg}", shell=True)
        except subprocess.CalledProcessError as err:
            print(err)
        else:
            return pkg
    raise Exception("none")
def get_config_win32(options):
    libraries = ["kernel32", "mariadbclient"]
    return {"libraries": libraries}
def get_config_posix():
    find_package_name()
    return {"define_macros": []}
if sys.platform == "win32":
    ext_options = get_config_win32({})
else:
    ext_options = get_config_posix()
setup(ext_modules=[setuptools.Extension("MySQLdb._mysql", sources=["src/_mysql.c"], **ext_options)])
"""

_LIBVIRT = """
def check_pkgcfg():
    try:
        proc = subprocess.run(["pkg-config", "--version"])
    except FileNotFoundError:
        sys.exit(1)
def check_minimum_libvirt_version():
    subprocess.check_call(["pkg-config", "--print-errors", f"--atleast-version={MIN}", "libvirt"])
def get_pkgconfig_data(args, mod, required=True):
    cmd = ["pkg-config"] + args + [mod]
    return subprocess.check_output(cmd)
def get_module_lists():
    ldflags = get_pkgconfig_data(["--libs-only-L"], "libvirt", False).split()
    return [Extension("libvirtmod", sources=["libvirt-override.c"], libraries=["virt"])]
class my_dist(sdist):
    def gen_authors(self):
        subprocess.check_output(["git", "log", "--pretty=format:%aN <%aE>"])
check_pkgcfg()
check_minimum_libvirt_version()
setup(ext_modules=get_module_lists())
"""

_SHAPELY = """
project('shapely', 'c', 'cython')
geos_dep = dependency('', required: false)
if not geos_dep.found() and get_option('pkg_config_path').length() > 0
  geos_dep = dependency('geos', version: f'>=@min@', method: 'pkg-config', required: false)
endif
if not geos_dep.found() # any method
  geos_dep = dependency('geos', version: f'>=@min@',
    modules: ['GEOS::geos_c'])
endif
"""

_SCIPY = """
project('SciPy', 'c', 'cpp', 'cython', 'fortran', default_options: ['c_std=c17'])
blas_name = get_option('blas')
if blas_name == 'openblas' or blas_name == 'auto'
  blas = dependency('scipy-openblas', method: 'pkg-config', required: false)
  if blas.found()
    blas_name = 'scipy-openblas'
  else
    blas = dependency(['openblas', 'OpenBLAS'])
  endif
else
  blas = dependency(blas_name)
endif
"""

_LZ4 = """
try:
    from pkgconfig import installed as pkgconfig_installed
except ImportError:
    pass
else:
    def pkgconfig_installed_check(lib, required_version, default):
        return pkgconfig_installed(lib, required_version)
    found = pkgconfig_installed_check('liblz4', '>= 1.7.5', default=False)
sources = ['lz4/block/_block.c']
libraries = []
if found:
    libraries.append('lz4')
else:
    sources.append('lz4libs/lz4.c')
setup(ext_modules=[Extension('lz4._block', sources, libraries=libraries)])
"""

_CVXOPT = """
BUILD_GSL = 0
BUILD_GSL = int(os.environ.get("CVXOPT_BUILD_GSL", BUILD_GSL))
extmods = []
if BUILD_GSL:
    gsl = Extension('gsl', libraries=['m', 'gsl'], sources=['src/C/gsl.c'])
    extmods += [gsl]
base = Extension('base', libraries=['m', 'lapack', 'blas'], sources=['src/C/base.c'])
extmods += [base]
setup(ext_modules=extmods)
"""

_PSYCOPG2 = """
class PostgresConfig:
    def __init__(self, build_ext):
        self.pg_config_exe = self.autodetect_pg_config_path()
    def autodetect_pg_config_path(self):
        return self.find_on_path('pg_config', 'PATH')
    def find_on_path(self, exename, path_directories=None):
        return None
sources = ['psycopgmodule.c']
sources = [os.path.join('psycopg', x) for x in sources]
ext.append(Extension("psycopg2._psycopg", sources, depends=[], undef_macros=[]))
setup(ext_modules=ext)
"""

_CRYPTOGRAPHY = {
    "pyproject.toml": "[build-system]\nrequires = ['maturin>=1.9', 'cffi', 'setuptools!=74.0.0']\n"
    "[tool.maturin]\nmanifest-path = 'src/rust/Cargo.toml'\n",
    "Cargo.toml": "[workspace]\n[workspace.package]\nrust-version = '1.83.0'\n",
    "src/rust/Cargo.toml": "[package]\nname = 'cryptography-rust'\n[dependencies]\nopenssl = '0.10'\n"
    "cryptography-cffi = { path = 'cryptography-cffi' }\n",
    "src/rust/cryptography-cffi/Cargo.toml": "[dependencies]\nopenssl-sys = '0.9'\n",
    "Cargo.lock": "[[package]]\nname = 'openssl'\ndependencies = ['openssl-sys']\n"
    "[[package]]\nname = 'openssl-sys'\ndependencies = ['cc', 'libc', 'pkg-config', 'vcpkg']\n",
}

_CMAKE_OSMIUM = """
option(WITH_LZ4 "Build with lz4 support for PBF files" ON)
find_package(pybind11 CONFIG REQUIRED)
if(SKBUILD_STATE STREQUAL "sdist")
  include(FetchContent)
else()
  if(WITH_LZ4)
    find_package(LZ4)
  endif()
  find_package(Osmium 2.16 REQUIRED COMPONENTS io pbf xml)
endif()
"""

_CASES = {
    "hidapi": Case(
        files={"setup.py": _HIDAPI, "hid.pyx": "", "hidraw.pyx": ""},
        required=["library:udev"],
        optional=["library:hidapi"],
    ),
    "mysqlclient": Case(
        files={
            "setup.py": _MYSQLCLIENT,
            "src/_mysql.c": "#include <mysql.h>\n#ifdef X\n#include <errmsg.h>\n#endif\n",
        },
        required=["header:mysql.h"],
        optional=["header:errmsg.h", "library:mariadbclient"],
    ),
    "libvirt-python": Case(
        files={
            "setup.py": _LIBVIRT,
            "libvirt-override.c": '#include <libvirt/libvirt.h>\n#include "typewrappers.h"\n',
            "typewrappers.h": "",
        },
        required=["library:virt", "header:libvirt/libvirt.h", "pkg-config:libvirt"],
    ),
    "shapely": Case(files={"pyproject.toml": _MESON, "meson.build": _SHAPELY}, required=["pkg-config:geos"]),
    "scipy": Case(
        files={
            "pyproject.toml": _MESON,
            "meson.build": _SCIPY,
            "meson.options": "option('blas', type: 'string', value: 'openblas')",
        },
        required=["fortran", "pkg-config:openblas"],
        optional=["pkg-config:scipy-openblas"],
    ),
    "lz4": Case(
        files={"setup.py": _LZ4, "lz4/block/_block.c": "#include <lz4.h>\n", "lz4libs/lz4.c": "", "lz4libs/lz4.h": ""},
        required=[],
        optional=["library:lz4", "pkg-config:liblz4"],
    ),
    "cvxopt": Case(
        files={
            "setup.py": _CVXOPT,
            "src/C/gsl.c": "#include <gsl/gsl_rng.h>\n",
            "src/C/base.c": '#include "Python.h"\n',
        },
        required=["library:lapack", "library:blas"],
        optional=["library:gsl", "header:gsl/gsl_rng.h"],
    ),
    "psycopg2": Case(
        files={
            "setup.py": _PSYCOPG2,
            "psycopg/psycopgmodule.c": '#include "psycopg/psycopg.h"\n',
            "psycopg/psycopg.h": "#ifndef P_H\n#define P_H 1\n#ifndef _WIN32\n#include <libpq-fe.h>\n#endif\n#endif\n",
        },
        required=["header:libpq-fe.h"],
    ),
    "cryptography": Case(files=_CRYPTOGRAPHY, required=["rust>=1.83.0", "pkg-config:openssl"]),
    "osmium": Case(
        files={
            "pyproject.toml": "[build-system]\nrequires = ['scikit-build-core', 'pybind11']\n",
            "CMakeLists.txt": _CMAKE_OSMIUM,
            "contrib/libosmium/LICENSE": "",
        },
        required=[],
        optional=["cmake:LZ4", "cmake:Osmium>=2.16"],
    ),
    "dbus-python": Case(
        files={
            "pyproject.toml": _MESON,
            "meson.build": "project('dbus-python', 'c')\ndbus_dep = dependency('dbus-1', version: '>=1.8')\n"
            "glib = dependency('glib-2.0', version: '>=2.40', required: get_option('glib'))\n",
            "meson_options.txt": "option('glib', type: 'feature', value: 'enabled')\n",
        },
        required=["pkg-config:dbus-1>=1.8", "pkg-config:glib-2.0>=2.40"],
    ),
    "pycups": Case(
        files={
            "setup.py": "libraries = ['cups']\nif sys.platform == 'darwin':\n    libraries.append('iconv')\n"
            "setup(ext_modules=[Extension('cups', ['cupsmodule.c'], libraries=libraries)])",
            "cupsmodule.c": "#include <Python.h>\n#include <cups/cups.h>\n",
        },
        required=["library:cups", "header:cups/cups.h"],
    ),
    "isal": Case(
        files={
            "setup.py": "setup(ext_modules=[Extension('isal', ['src/isal/isal_zlib.c'])])",
            "src/isal/isal_zlib.c": "#include <isa-l/crc.h>\n",
            "src/isal/isa-l/configure.ac": "",
            "src/isal/isa-l/include/crc.h": "",
        },
        required=[],
        optional=["header:isa-l/crc.h"],
    ),
    "pygit2": Case(
        files={
            "setup.py": "setup(cffi_modules=['pygit2/_run.py:ffi'], ext_modules=[Extension('pygit2._pygit2', srcs)])",
            "pygit2/_run.py": "preamble = '#include <git2.h>'\nlibs = ['git2']\n"
            "ffi.set_source('pygit2._libgit2', preamble, libraries=libs)",
            "src/blob.c": "#include <git2.h>\n#include <git2/sys/filter.h>\n",
        },
        required=["library:git2", "header:git2.h", "header:git2/sys/filter.h"],
    ),
    "lxml": Case(
        files={
            "setup.py": "import setupinfo\nsetup(**setupinfo.extra_setup_args())",
            "setupinfo.py": "result = [Extension(module, sources=[module + '.pyx'], libraries=libs)]\n",
            "src/lxml/etree.pyx": "cdef extern from 'libxml/tree.h':\n    pass\n",
        },
        required=[],
        optional=["header:libxml/tree.h"],
    ),
}


@pytest.mark.parametrize("case", _CASES.values(), ids=_CASES)
def test_needs_of_the_project_are_right(case: Case) -> None:
    needs = predict_needs(SdistContents(names=tuple(case.files), texts=case.files))
    shown = [
        (one.is_required, one.toolchain or f"{one.wanted[0].kind}:{one.wanted[0].name}{one.bound}") for one in needs
    ]
    assert [name for is_required, name in shown if is_required] == case.required
    assert [name for is_required, name in shown if not is_required] == case.optional
