"""What a setup.py makes on the target, read without running it: conditions, functions and names are followed."""

import textwrap

import pytest

from wheelyard_agent.setup_script import ScriptExtension, read_setup_script

ENV = {"PATH": "/usr/bin", "WITH_SPEED": "1"}


def read(text: str) -> list[ScriptExtension]:
    return read_setup_script(textwrap.dedent(text), python=(3, 13), env=ENV)


def certain(text: str) -> list[str | None]:
    return [one.name for one in read(text) if one.certain]


def possible(text: str) -> list[str | None]:
    return [one.name for one in read(text) if not one.certain]


@pytest.mark.parametrize(
    "call",
    [
        'Extension("demo._c", ["c.c"])',
        'setuptools.Extension(name="demo._c", sources=["c.c"])',
        'Pybind11Extension("demo._c", ["c.cpp"])',
        'RustExtension(target="demo._c")',
        'Extension("demo." + "_c", ["c.c"])',
        'Extension(f"{package}._c", ["c.c"])',
        'Extension("demo._c", ["c.c"], optional=False)',
    ],
)
def test_extension_is_named(call: str) -> None:
    (found,) = read(f'package = "demo"\nsetup(ext_modules=[{call}])')
    assert found == ScriptExtension("demo._c", 2, certain=True)


@pytest.mark.parametrize(
    "condition",
    [
        'sys.platform == "linux"',
        'sys.platform.startswith("linux")',
        'not sys.platform.startswith("win")',
        'os.name != "nt"',
        'platform.system() == "Linux"',
        'platform.python_implementation() == "CPython"',
        "sys.version_info >= (3, 8)",
        "sys.version_info[:2] < (3, 99)",
        "sys.version_info.major == 3",
        'sys.implementation.name in ("cpython", "graalpy")',
        'getattr(getattr(sys, "implementation", None), "name", None) == "cpython"',
        'not hasattr(sys, "pypy_version_info")',
        '"__pypy__" not in sys.builtin_module_names',
        'os.environ.get("WITH_SPEED") == "1"',
        'os.getenv("NO_SPEED", "0") == "0"',
        'bool(os.environ["WITH_SPEED"])',
        '"NO_SPEED" not in os.environ',
        '"sdist" not in sys.argv',
        'os.environ.get("WITH_SPEED") or unknown()',
        '__name__ == "__main__"',
    ],
)
def test_condition_that_is_known_decides(condition: str) -> None:
    text = 'if {}:\n    setup(ext_modules=[Extension("demo._c", ["c.c"])])\nelse:\n    setup()\n'
    assert certain(text.format(condition)) == ["demo._c"]
    assert read(text.format(f"not ({condition})")) == []


@pytest.mark.parametrize("condition", ["has_header()", "CYTHON", "os.path.exists('a')", "unknown and True"])
def test_condition_that_is_not_known_leaves_it_possible(condition: str) -> None:
    text = f'modules = []\nif {condition}:\n    modules.append(Extension("demo._c", []))\nsetup(ext_modules=modules)'
    assert certain(text) == []
    assert "demo._c" in possible(text)


def test_flag_is_followed_through_its_assignments() -> None:
    text = """
    import os, sys
    USE = True
    if os.environ.get("NO_SPEED"):
        USE = False
    if sys.implementation.name != "cpython":
        USE = False
    modules = []
    if USE:
        modules = [Extension("demo._c", ["c.c"])]
    setup(ext_modules=modules)
    """
    assert certain(text) == ["demo._c"]


def test_flag_that_nobody_sets_leaves_the_extension_out() -> None:
    text = """
    from os import environ
    import os
    modules = [Extension("demo._c", ["c.c"])] if os.environ.get("BUILD_SPEED") else []
    setup(ext_modules=modules)
    """
    assert read(text) == []


def test_extensions_that_no_setup_takes_are_possible_only() -> None:
    assert certain('modules = [Extension("demo._c", [])]\nsetup(name="demo")') == []
    assert certain('modules = [Extension("demo._c", [])]\nsetup(ext_modules=modules if OFF else [])\nOFF = 1') == [
        "demo._c"
    ]


def test_function_is_gone_through_with_what_it_is_called_with() -> None:
    text = """
    def run_setup(with_binary):
        if with_binary:
            kw = dict(ext_modules=[Extension("demo._c", ["c.c"])])
        else:
            kw = {}
        setup(name="demo", **kw)
    try:
        run_setup(True)
    except BuildFailed:
        run_setup(False)
    """
    assert certain(text) == ["demo._c"]
    assert certain(text.replace("run_setup(True)", "run_setup(False)")) == []


def test_function_that_only_others_call_leaves_it_possible() -> None:
    assert possible('def build(kwargs):\n    kwargs["ext_modules"] = [Extension("demo._c", [])]\n') == ["demo._c"]


def test_extension_with_a_name_of_its_own_counts_where_that_is_used() -> None:
    text = """
    always = Extension("demo._always", [])
    maybe = Extension("demo._maybe", [])
    modules = [always]
    if has_library():
        modules.append(maybe)
    setup(ext_modules=modules)
    """
    assert certain(text) == ["demo._always"]
    assert "demo._maybe" in possible(text)


def test_loop_over_names_that_are_known_is_followed() -> None:
    text = 'for name in ("a", "b"):\n    modules.append(Extension("demo." + name, []))\nsetup(ext_modules=modules)'
    assert certain(text) == ["demo.a", "demo.b"]


@pytest.mark.parametrize(
    "text",
    [
        'setup(cffi_modules=["build.py:ffi"])',
        'setup(ext_modules=cythonize("*.pyx"))',
        "setup(ext_modules=mypycify([]))",
    ],
)
def test_extension_whose_name_only_its_code_knows_has_none(text: str) -> None:
    assert None in certain(text)


@pytest.mark.parametrize("text", ["", "print 'python 2'", "\0", "(" * 500, "setup(name='demo', packages=['demo'])"])
def test_script_without_extensions_has_none(text: str) -> None:
    assert read(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "def f(n):\n    f(n)\n    f(n)\nf(1)\nf(2)",
        "x = 'a'\n" + "x = x + x\n" * 200,
        "for a in (1, 2, 3, 4):\n"
        + "".join(f"{' ' * n}for a in (1, 2, 3, 4):\n" for n in range(1, 15))
        + " " * 15
        + "pass",
    ],
)
def test_script_that_never_ends_is_given_up(text: str) -> None:
    assert certain(f'modules = [Extension("demo._c", [])]\n{text}\nsetup(ext_modules=modules)') in ([], ["demo._c"])
