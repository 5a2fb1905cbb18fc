"""Recipes drafted from what an sdist says: every kind of evidence counts, and none of it can write anything else."""

import pytest
from tests.unit.recipe_texts import parse_recipe

from wheelyard.domain.recipes.draft import draft_recipe, needs_recipe
from wheelyard.domain.recipes.recipe import Naming, Recipe
from wheelyard.domain.recipes.system_packages import debian_package
from wheelyard.domain.sdist.contents import SdistContents, is_telling


def sdist(files: dict[str, str]) -> SdistContents:
    return SdistContents(names=tuple(files), texts={name: text for name, text in files.items() if is_telling(name)})


def draft(files: dict[str, str]) -> str:
    return draft_recipe(sdist(files), project="demo", filename="demo-1.0.tar.gz", schema="recipe.schema.json")


def drafted(files: dict[str, str]) -> Recipe:
    return parse_recipe(draft(files), source="demo.toml", naming=Naming(project="demo"))


_BY_MESON = {"pyproject.toml": "[build-system]\nrequires = ['meson-python']\nbuild-backend = 'mesonpy'"}
_BY_CMAKE = {"pyproject.toml": "[build-system]\nrequires = ['scikit-build-core']"}
_BUILDERS = {
    "meson.build": {**_BY_MESON, "meson.build": "subdir('src')"},
    "CMakeLists.txt": _BY_CMAKE,
    "x.cmake": {**_BY_CMAKE, "CMakeLists.txt": "include(cmake/x.cmake)"},
}


@pytest.mark.parametrize(
    ("file", "text", "apt"),
    [
        ("meson.build", "geos = dependency('geos', version: '>=3.10')", ("libgeos-dev",)),
        ("src/meson.build", "dependency('libxml-2.0')\ndeclare_dependency('zlib')", ("libxml2-dev",)),
        ("CMakeLists.txt", "find_package(PROJ 9.4 REQUIRED)\nfind_package (Python3)", ("libproj-dev",)),
        ("cmake/x.cmake", "pkg_check_modules(ZMQ REQUIRED IMPORTED_TARGET libzmq>=4.1)", ("libzmq3-dev",)),
        ("setup.py", "Extension('a', ['a.c'], libraries=['pq', 'm'])", ("libpq-dev",)),
        ("setup.py", "class Ldap:\n    libs = ['ldap', 'lber']", ("libldap2-dev",)),
        ("setupinfo.py", "get_version('libxslt')", ("libxslt1-dev",)),
        ("setup.cfg", "[_ldap]\nlibs = ldap lber\n", ("libldap2-dev",)),
        ("pyproject.toml", "[external]\nhost-requires = ['dep:generic/libyaml@>=0.2']", ("libyaml-dev",)),
        ("pyproject.toml", "[external]\nhost-requires = ['dep:virtual/interface/blas']", ("libopenblas-dev",)),
        ("pyproject.toml", "[external]\nhost-requires = ['dep:github/yaml/libyaml']", ("libyaml-dev",)),
        ("pyproject.toml", "[external]\ndependencies = ['pkg:deb/debian/libyaml-dev']", ("libyaml-dev",)),
        ("pyproject.toml", "[external.optional-host-requires]\nx = ['dep:generic/libffi']", ("libffi-dev",)),
        ("pyproject.toml", "[external]\nbuild-requires = ['dep:pypi/yaml', 'dep:virtual/compiler/c']", ()),
        ("tests/meson.build", "dependency('geos')", ()),
        ("setup.py", "subprocess.run(['nc-config', '--libs'])", ("libnetcdf-dev",)),
        ("setup.py", "which(\"gdal-config\"); print('dot', 'swig')", ("libgdal-dev",)),
        ("setup.py", "has_header(['fftw3.h', 'Python.h'])", ("libfftw3-dev",)),
        ("setup.py", "names = ['avcodec']\nrun(['pkg-config', '--libs'])", ("libavcodec-dev",)),
        ("setup.py", "keywords = ['magic', 'archive']", ()),
        ("util/build_backend.py", "pkg('fuse3')\ncmd = ['pkg-config', pkg]", ("libfuse3-dev",)),
        ("build_backend/ext.py", "pg_config = 'pg_config'", ("libpq-dev",)),
        ("src/demo/deep/build.py", "pg_config = 'pg_config'", ()),
        ("meson.build", "dependency('cairo-gobject')\ndependency('py3cairo')", ("libcairo2-dev",)),
    ],
)
def test_library_that_a_build_file_looks_for_becomes_a_package(file: str, text: str, apt: tuple[str, ...]) -> None:
    rules = drafted({**_BUILDERS.get(file.rpartition("/")[2], {}), file: text, "a.c": ""}).rules
    assert rules == () or rules[0].apt == apt
    assert bool(rules[0].apt if rules else ()) == bool(apt)


@pytest.mark.parametrize(
    ("files", "toolchains"),
    [
        ({"Cargo.toml": "[package]\nname = 'a'"}, ("rust",)),
        (
            {"Cargo.toml": "[package]\nrust-version = '1.74'", "x/Cargo.toml": "[package]\nrust-version = '1.9'"},
            ("rust>=1.74",),
        ),
        ({"Cargo.toml": "[workspace.package]\nrust-version = '1.85'"}, ("rust>=1.85",)),
        ({"Cargo.toml": "[package]\nrust-version.workspace = true"}, ("rust",)),
        ({"src/a.f90": "", "src/b.F": ""}, ("fortran",)),
        ({"native/A.java": ""}, ("java",)),
        ({"WORKSPACE": ""}, ("bazel",)),
        ({"pyproject.toml": "[external]\nbuild-requires = ['dep:virtual/compiler/rust']"}, ("rust",)),
        ({"pyproject.toml": "[external.optional-build-requires]\nx = ['dep:virtual/compiler/fortran']"}, ("fortran",)),
        ({"tests/Cargo.toml": "", "docs/a.f90": "", "demo/b.f90": ""}, ()),
    ],
)
def test_toolchains_are_those_of_the_sources(files: dict[str, str], toolchains: tuple[str, ...]) -> None:
    rules = drafted(files).rules
    assert (rules[0].toolchains if rules else ()) == toolchains


@pytest.mark.parametrize(
    ("files", "extensions"),
    [
        ({"setup.py": "Extension('a.b', []); Extension(name=\"c\")", "a/b.c": ""}, ("a.b", "c")),
        ({"pyproject.toml": "[tool.maturin]\nmodule-name = 'a._a'"}, ("a._a",)),
        ({"pyproject.toml": "[[tool.setuptools-rust.ext-modules]]\ntarget = 'a._r'"}, ("a._r",)),
        ({"pyproject.toml": "[[tool.setuptools.ext-modules]]\nname = 'a._s'\nsources = []"}, ("a._s",)),
        ({"src/lxml/etree.pyx": "", "lib/a-b.pyx": ""}, ("lxml.etree",)),
        ({"setup.py": "Extension('a.b', [])", "a/b.pyx": "", "a/included.pyx": ""}, ("a.b",)),
        (
            {
                "src/a/b.pyx": "",
                "src/a/__init__.pyx": "",
                "src/a/b.src/c.pyx": "",
                "include/d.pyx": "",
                "demo/e.pyx": "",
            },
            ("a.b",),
        ),
    ],
)
def test_extension_modules_are_expected_by_name(files: dict[str, str], extensions: tuple[str, ...]) -> None:
    assert drafted(files).rules[0].expect.extensions == extensions


def test_extension_sources_without_a_name_ask_for_one() -> None:
    assert "name the modules" in draft({"src/a.cpp": ""})


def test_library_without_a_known_package_is_asked_for() -> None:
    assert "# meson.build:1 looks for strange-lib: which Debian package is that?" in draft(
        {**_BY_MESON, "meson.build": "dependency('strange-lib')\ndependency('threads')\ndependency('python3')"}
    )


def test_pure_project_needs_no_recipe() -> None:
    files = {"pyproject.toml": "[build-system]\nrequires = ['flit_core']\nbuild-backend = 'flit_core.buildapi'"}
    assert not needs_recipe(sdist(files))
    assert drafted(files).rules == ()
    assert "# Build backend: flit_core.buildapi; it requires: flit_core" in draft(files)


@pytest.mark.parametrize(
    "text",
    [
        "[build-system]\nbuild-backend = '''a\n[[rule]]\napt = [\"evil\"]\n'''\nrequires = [1, \"x\\u0007\"]",
        "[build-system]\nbuild-backend = 1\nrequires = 'x'",
        "[tool]\nmaturin = 1\nsetuptools = { ext-modules = 'x' }\n[external]\nbuild-requires = 3",
        '[tool.maturin]\nmodule-name = "a\\nb"',
        "external = 1\ntool = []",
        "a = " + "[" * 100_000,
        "not toml",
    ],
)
def test_what_an_sdist_says_cannot_write_the_recipe(text: str) -> None:
    file = 'x"\n]\nenv = {A = "1"}\n#.pyx'
    recipe = drafted({"pyproject.toml": text, file: "", "src/\n[[rule]].f90": ""})
    (rule,) = recipe.rules
    assert rule.toolchains == ("fortran",)
    assert (rule.apt, dict(rule.env), rule.expect.extensions) == ((), {}, ())


@pytest.mark.parametrize(
    ("file", "opening"),
    [
        ("setup.py", "libraries=["),
        ("setup.py", "Extension("),
        ("setup.cfg", "libs="),
        ("CMakeLists.txt", "pkg_check_modules(a "),
        ("CMakeLists.txt", "find_package("),
        ("meson.build", "dependency('a"),
    ],
)
def test_text_of_openings_without_an_end_is_read_in_time(file: str, opening: str) -> None:
    assert draft({file: opening * ((1 << 20) // len(opening))}).startswith("#:schema recipe.schema.json\nschema = 1")


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("libxml-2.0", "libxml2-dev"),
        ("LibXml2", "libxml2-dev"),
        ("ZLIB", "zlib1g-dev"),
        ("dbus-1", "libdbus-1-dev"),
        ("glib-2.0", "libglib2.0-dev"),
        ("yaml-0.1", "libyaml-dev"),
        ("libusb-1.0", "libusb-1.0-0-dev"),
        ("OpenSSL", "libssl-dev"),
        ("nothing-of-the-kind", None),
    ],
)
def test_library_is_known_by_all_of_its_names(name: str, package: str | None) -> None:
    assert debian_package(name) == package
