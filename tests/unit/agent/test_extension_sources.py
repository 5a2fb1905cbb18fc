"""What an sdist's wheel is going to have, from its files alone; what lies in tests and vendored folders is none."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from wheelyard_agent.extension_sources import ExtensionSource, find_extension_sources, requirement_names
from wheelyard_agent.source_files import is_for_another_platform

PACKAGES = Path(__file__).parents[2] / "packages"
MODULE = "PyMODINIT_FUNC PyInit_fast(void) {"
SETUPTOOLS = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'


def find(folder: Path, files: Mapping[str, str], *requires: str) -> list[ExtensionSource]:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return find_extension_sources(folder, python=(3, 13), env={}, requires=requirement_names(set(requires)))


def backend(name: str, more: str = "") -> str:
    return f'[build-system]\nrequires = []\nbuild-backend = "{name}"\n{more}'


@pytest.mark.parametrize(
    ("settings", "name", "required"),
    [
        (SETUPTOOLS + '[[tool.setuptools.ext-modules]]\nname = "demo._c"\nsources = ["c.c"]', "demo._c", True),
        (SETUPTOOLS + '[[tool.setuptools.ext-modules]]\nname = "demo._c"\noptional = true', "demo._c", False),
        (SETUPTOOLS + '[[tool.setuptools-rust.ext-modules]]\ntarget = "demo._rs"', "demo._rs", True),
        (backend("maturin", '[tool.maturin]\nmodule-name = "demo._rs"'), "demo._rs", True),
        (backend("maturin"), None, False),
        (backend("maturin", '[tool.maturin]\nbindings = "bin"\nmodule-name = "demo"'), None, False),
        (backend("hatchling.build", "[tool.hatch.build.targets.wheel.hooks.mypyc]"), None, False),
    ],
)
def test_settings_are_certain(tmp_path: Path, settings: str, name: str | None, *, required: bool) -> None:
    (found,) = find(tmp_path, {"pyproject.toml": settings})
    assert (found.name, found.certain, found.required) == (name, True, required)


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("mesonpy", {"src/meson.build": "py.extension_module(\n  '_c', 'c.c')"}),
        ("scikit_build_core.build", {"CMakeLists.txt": "Python_add_library(_c MODULE c.c)"}),
        ("scikit_build_core.build", {"CMakeLists.txt": "pybind11_add_module(_c c.cpp)"}),
        ("scikit_build_core.build", {"native/CMakeLists.txt": "add_library(_c MODULE c.c)"}),
    ],
)
def test_native_build_systems_are_certain(tmp_path: Path, name: str, files: Mapping[str, str]) -> None:
    found = find(tmp_path, {"pyproject.toml": backend(name), **files})
    assert [(one.name, one.where, one.certain) for one in found] == [("_c", next(iter(files)), True)]


def test_setup_script_is_read_unless_another_backend_builds(tmp_path: Path) -> None:
    script = {"setup.py": 'setup(ext_modules=[Extension("demo._c", ["c.c"])])', "c.c": ""}
    assert find(tmp_path, script) == [ExtensionSource("demo._c", "setup.py:1", certain=True, required=False)]
    assert find(tmp_path, {"pyproject.toml": backend("flit_core.buildapi"), **script}) == []


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("poetry.core.masonry.api", '[tool.poetry.build]\nscript = "make.py"'),
        ("poetry.core.masonry.api", '[tool.poetry]\nbuild = "make.py"'),
        ("pdm.backend", '[tool.pdm.build]\nrun-setuptools = true\nsetup-script = "make.py"'),
    ],
)
def test_function_that_a_backend_calls_of_a_build_script_is_followed(tmp_path: Path, name: str, settings: str) -> None:
    script = 'def build(kwargs):\n    kwargs["ext_modules"] = [Extension("demo._c", [])]'
    (found,) = find(tmp_path, {"pyproject.toml": backend(name, settings), "make.py": script})
    assert found == ExtensionSource("demo._c", "make.py:2", certain=True, required=False)


def test_build_script_that_the_settings_do_not_name_says_nothing(tmp_path: Path) -> None:
    script = 'def build(kwargs):\n    kwargs["ext_modules"] = [Extension("demo._c", [])]'
    assert find(tmp_path, {"pyproject.toml": backend("poetry.core.masonry.api"), "build.py": script}) == []


@pytest.mark.parametrize(
    ("name", "settings", "script", "certain"),
    [
        ("hatchling.build", "[tool.hatch.build.hooks.custom]", "hatch_build.py", True),
        ("hatchling.build", '[tool.hatch.build.targets.wheel.hooks.custom]\npath = "make.py"', "make.py", True),
        ("hatchling.build", "", "hatch_build.py", False),
        ("poetry.core.masonry.api", '[tool.poetry.build]\nscript = "build.py"', "build.py", True),
        ("pdm.backend", "", "pdm_build.py", True),
        ("flit_core.buildapi", "", "build.py", False),
    ],
)
def test_sources_beside_a_script_that_compiles_are_certain(
    tmp_path: Path, name: str, settings: str, script: str, *, certain: bool
) -> None:
    compiles = 'import subprocess\n\n\ndef initialize(self):\n    subprocess.run(["gcc", "-shared", "src/fast.c"])\n'
    files = {"src/demo/__init__.py": "", "src/demo/fast.c": MODULE, script: compiles}
    (found,) = find(tmp_path, {"pyproject.toml": backend(name, settings), **files})
    assert found == ExtensionSource("demo.fast", "src/demo/fast.c", certain=certain, required=False)


def test_sources_beside_a_script_that_compiles_nothing_are_hints(tmp_path: Path) -> None:
    settings = backend("hatchling.build", "[tool.hatch.build.hooks.custom]")
    files = {"hatch_build.py": 'open("version.txt", "w").write("1")', "demo/__init__.py": "", "demo/data.c": ""}
    assert [one.certain for one in find(tmp_path, {"pyproject.toml": settings, **files})] == [False]


def test_extensions_that_a_hook_of_hatchs_names_are_known(tmp_path: Path) -> None:
    hook = 'class Hook(BuildHookInterface):\n    def initialize(self):\n        Extension("demo._c", ["src/a.c"])\n'
    settings = backend("hatchling.build", "[tool.hatch.build.hooks.custom]")
    (found,) = find(tmp_path, {"pyproject.toml": settings, "hatch_build.py": hook})
    assert found == ExtensionSource("demo._c", "hatch_build.py", certain=True, required=False)


@pytest.mark.parametrize(
    ("path", "text", "name"),
    [
        ("src/a.c", "int a;", None),
        ("src/A.F90", "", None),
        ("lib/a.f", "", None),
        ("lib/a.FOR", "", None),
        ("lib/a.f77", "", None),
        ("lib/a.f03", "", None),
        ("lib/a.f08", "", None),
        ("a.C++", "", None),
        ("a.pyf", "python module flib ! in\n", "flib"),
        ("src/a.c", "PyMODINIT_FUNC\nPyInit_fast(void)\n{", "fast"),
        ("src/a.cpp", "PYBIND11_MODULE(fast, m) {}", "fast"),
        ("src/a.cc", "NB_MODULE(fast, m) {}", "fast"),
        ("demo/a.c", "PyMODINIT_FUNC PyInit_fast(void) {", "demo.fast"),
        ("src/lib.rs", "#[pymodule]\nfn fast(m: &Bound<'_, PyModule>) {", "fast"),
        ("Cargo.toml", '[package]\nname = "de-mo"\n[lib]\ncrate-type = ["cdylib"]', "de_mo"),
        ("Cargo.toml", '[package]\nname = "a"\n[lib]\nname = "demo"\ncrate-type = ["rlib", "cdylib"]', "demo"),
    ],
)
@pytest.mark.parametrize("name_of_backend", ["backend", "somebodys.build_meta"])
def test_sources_are_certain_where_nobody_knows_what_is_made_of_them(
    tmp_path: Path, path: str, text: str, name: str | None, name_of_backend: str
) -> None:
    files = {"pyproject.toml": backend(name_of_backend), "demo/__init__.py": "", path: text}
    (found,) = find(tmp_path, files)
    assert found == ExtensionSource(name, path, certain=True, required=False)


@pytest.mark.parametrize(
    "files",
    [
        {"Cargo.toml": '[package]\nname = "tool"\n[lib]\nname = "tool"'},
        {"Cargo.toml": "[lib]\ncrate-type = 5"},
        {"include/a.h": "int a;"},
        {"tests/a.c": "int a;"},
    ],
)
def test_unknown_backend_without_sources_of_modules_is_pure(tmp_path: Path, files: Mapping[str, str]) -> None:
    assert find(tmp_path, {"pyproject.toml": backend("somebodys.build_meta"), **files}) == []


@pytest.mark.parametrize("path", ["src/fast_win32.c", "windows/fast.c", "src/darwin/fast.c"])
def test_source_for_another_platform_is_a_hint(tmp_path: Path, path: str) -> None:
    (found,) = find(tmp_path, {"pyproject.toml": backend("backend"), path: MODULE})
    assert not found.certain


def test_unknown_backend_that_has_a_setup_script_is_believed_to_run_it(tmp_path: Path) -> None:
    files = {"setup.py": "setup()", "demo/__init__.py": "", "demo/fast.c": ""}
    assert [one.certain for one in find(tmp_path, {"pyproject.toml": backend("backend"), **files})] == [False]


@pytest.mark.parametrize(("requires", "certain"), [(("Cython>=3",), True), ((), False)])
def test_cython_is_certain_where_it_is_a_build_requirement(
    tmp_path: Path, requires: tuple[str, ...], *, certain: bool
) -> None:
    files = {"src/demo/__init__.py": "", "src/demo/sub/__init__.py": "", "src/demo/sub/fast.pyx": ""}
    (found,) = find(tmp_path, files, *requires)
    assert found == ExtensionSource("demo.sub.fast", "src/demo/sub/fast.pyx", certain=certain, required=False)


def test_cythons_source_that_others_include_is_no_module(tmp_path: Path) -> None:
    files = {"demo/__init__.py": "", "demo/fast.pyx": 'include "part.pyx"\n', "demo/part.pyx": "", "demo/a.tpl.pyx": ""}
    found = {one.name: one.certain for one in find(tmp_path, files, "cython")}
    assert found == {"demo.fast": True, "demo.part": False, None: True}


def test_cythons_sources_are_certain_beside_what_the_script_names(tmp_path: Path) -> None:
    script = {"setup.py": 'setup(ext_modules=cythonize([Extension("demo.fast", ["demo/fast.pyx"])]))'}
    files = {"demo/__init__.py": "", "demo/fast.pyx": "", "demo/unused.pyx": ""}
    found = find(tmp_path, {**script, **files}, "cython")
    assert {one.name for one in found if one.certain} == {"demo.fast", "demo.unused", None}


@pytest.mark.parametrize("argument", ['"demo/*.pyx"', '["demo/a.pyx", "demo/b.pyx"]', '["demo/**/*.pyx"]'])
def test_every_module_that_a_pattern_of_cythonize_matches_is_named(tmp_path: Path, argument: str) -> None:
    files = {"setup.py": f"setup(ext_modules=cythonize({argument}))", "demo/a.pyx": "", "demo/b.pyx": ""}
    assert {one.name for one in find(tmp_path, files, "cython") if one.certain} == {"demo.a", "demo.b"}


def test_c_file_in_a_package_is_a_hint(tmp_path: Path) -> None:
    assert find(tmp_path, {"demo/__init__.py": "", "demo/fast.c": ""}) == [
        ExtensionSource(None, "demo/fast.c", certain=False, required=False)
    ]


def test_modules_of_mesons_files_that_the_root_reaches_are_certain(tmp_path: Path) -> None:
    root = """
py.extension_module('_a', files('a.c'), subdir: 'demo/sub', install: true)  # extension_module('_comment')
if get_option('more')
  py.extension_module('_b', 'b.c')
  subdir('optional')
endif
run_command(python, '-c', '''
if True:
  print('x')
''')
subdir('inner')
foreach name : names
  py.extension_module(name, name + '.c')
endforeach
"""
    files = {
        "meson.build": root,
        "inner/meson.build": "py.extension_module(\n  '_c',\n  'c.c',\n)",
        "optional/meson.build": "py.extension_module('_d', 'd.c')",
        "unreached/meson.build": "py.extension_module('_e', 'e.c')",
    }
    found = find(tmp_path, {"pyproject.toml": backend("mesonpy"), **files})
    assert {one.name for one in found} == {"demo.sub._a", "_b", "_c", "_d", "_e", None}
    assert {one.name for one in found if not one.certain} == {"_e"}


def test_module_without_a_condition_is_certain_whatever_its_name(tmp_path: Path) -> None:
    root = """
Python_add_library(_win MODULE a.c)
if(APPLE)
  pybind11_add_module(_mac b.cpp)
endif()
nanobind_add_module(_c c.cpp)
add_subdirectory(native)
"""
    files = {"pyproject.toml": backend("scikit_build_core.build"), "CMakeLists.txt": root}
    found = find(tmp_path, {**files, "native/CMakeLists.txt": "add_library(_nt MODULE d.c)"})
    assert {one.name: one.certain for one in found} == {"_win": True, "_mac": False, "_c": True, "_nt": True}


def test_module_for_another_platform_is_a_hint(tmp_path: Path) -> None:
    text = "if host_machine.system() == 'darwin'\n  py.extension_module('_macosx', 'm.m')\nendif\n"
    (found,) = find(tmp_path, {"pyproject.toml": backend("mesonpy"), "meson.build": text})
    assert (found.name, found.certain) == ("_macosx", False)


@pytest.mark.parametrize(
    ("machine", "others"),
    [
        ("x86_64", ["Crypto._SHA256_armv8", "src/fast_neon.c", "demo._ghash_pmull", "vsx/a.c", "demo._rvv"]),
        ("aarch64", ["demo._raw_aesni", "src/fast_avx2.c", "demo._sse42", "ssse3.c", "demo._x86_64", "demo._s390x"]),
    ],
)
def test_name_of_another_processor_is_told(machine: str, others: list[str]) -> None:
    assert [name for name in others if not is_for_another_platform(name, machine)] == []
    plain = ["demo._arms", "demo._powerful", "lapack.c", "demo._c", "assess.c", "demo._simd"]
    assert [name for name in plain if is_for_another_platform(name, machine)] == []


def test_module_for_another_processor_in_a_script_is_a_hint(tmp_path: Path) -> None:
    script = 'setup(ext_modules=[Extension("demo._ppc64le", ["a.c"]), Extension("demo._c", ["c.c"])])'
    found = {one.name: one.certain for one in find(tmp_path, {"setup.py": script, "a.c": "", "c.c": ""})}
    assert found == {"demo._ppc64le": False, "demo._c": True}


@pytest.mark.parametrize(
    ("project", "names"),
    [
        ("leaves-out-c", {"fast", None}),
        ("leaves-out-cython", {"leaves_out_cython.fast"}),
        ("leaves-out-fortran", {None}),
        ("leaves-out-rust", {"leaves_out_rust", None}),
        ("leaves-out-one", {"leaves_out_one", "other"}),
        ("carries-sources", set()),
    ],
)
def test_small_projects_say_what_they_are_made_of(project: str, names: set[str | None]) -> None:
    found = find_extension_sources(PACKAGES / project, python=(3, 13), env={}, requires=frozenset())
    assert {one.name for one in found if one.certain} == names


@pytest.mark.parametrize(
    "file",
    [
        "tests/data/prog.c",
        "demo/tests/prog.c",
        "docs/examples/fast.pyx",
        "examples/setup/fast.pyx",
        "demo/_vendor/lib/a.c",
        "third_party/lib/a.c",
        "demo/templates/a.c",
        "include/a.c",
        "subprojects/lib/meson.build",
        ".github/a.c",
    ],
)
def test_pure_project_that_carries_sources_is_pure(tmp_path: Path, file: str) -> None:
    folder = str(Path(file).parent)
    package = {} if folder == "include" else {f"{folder}/__init__.py": ""}
    assert find(tmp_path, {"pyproject.toml": SETUPTOOLS, **package, file: "extension_module('x')"}, "cython") == []


def test_file_that_leads_out_of_the_sdist_is_not_read(tmp_path: Path) -> None:
    outside = tmp_path / "outside.py"
    outside.write_text('setup(ext_modules=[Extension("stolen", [])])')
    inside = tmp_path / "sdist"
    inside.mkdir()
    (inside / "setup.py").symlink_to(outside)
    assert find(inside, {}) == []


@pytest.mark.parametrize(
    "text", ["x = [", "build-system = 5", "[build-system]\nbuild-backend = 7", "[[tool.setuptools]]"]
)
def test_settings_that_make_no_sense_say_nothing(tmp_path: Path, text: str) -> None:
    assert find(tmp_path, {"pyproject.toml": text}) == []


def test_strongest_hint_comes_first(tmp_path: Path) -> None:
    table = '[[tool.setuptools.ext-modules]]\nname = "b"\nsources = ["b.c"]'
    script = 'setup(ext_modules=[maybe and Extension("c", []), Extension("a", [])])'
    files = {"pyproject.toml": SETUPTOOLS + table, "setup.py": script, "demo/__init__.py": "", "demo/x.c": ""}
    found = find(tmp_path, files)
    assert [(one.name, one.certain, one.required) for one in found][:2] == [("b", True, True), ("a", True, False)]
    assert found[-1].where == "demo/x.c"
