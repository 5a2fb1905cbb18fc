"""Modules for other platforms are known by their names, by what they miss, and by their guards."""

import pytest

from wheelyard_agent.platforms import names_other_platform, refuses_platforms, wants_other_platform


@pytest.mark.parametrize(
    "module",
    [
        *("keyring.backends.macOS", "keyring.backends.macOS.api", "asyncssh.agent_win32", "psutil._pswindows"),
        *(
            "psutil._psosx",
            "click._winconsole_win",
            "os_nt",
            "demo.osx",
            "pip.jython.x",
            "demo._pyodide",
            "demo.freebsd",
        ),
    ],
)
def test_name_of_another_platform_is_known(module: str) -> None:
    assert names_other_platform(module)


@pytest.mark.parametrize(
    "module",
    [
        *("demo.window", "demo.linux", "demo.machine", "demo.winner", "demo.ants", "android.core", "java.parser"),
        *("demo.bsdiff", "demo.iostream", "demo.macro", "demo.posix"),
    ],
)
def test_name_that_only_resembles_one_is_not(module: str) -> None:
    assert not names_other_platform(module)


@pytest.mark.parametrize(
    ("error", "missing"),
    [
        ("ModuleNotFoundError: No module named 'winreg'", "winreg"),
        ("ModuleNotFoundError: No module named 'win32com.client'", "win32com.client"),
        ("ModuleNotFoundError: No module named 'objc'", "objc"),
        ("AttributeError: module 'ctypes' has no attribute 'windll'", None),
        ("ImportError: cannot import name 'WinDLL' from 'ctypes' (/x/ctypes/__init__.py)", None),
        ("AttributeError: module 'asyncio' has no attribute 'WindowsSelectorEventLoopPolicy'", None),
        ("AttributeError: module 'select' has no attribute 'kqueue'", None),
        ("OSError: kernel32.dll: cannot open shared object file: No such file or directory", None),
        ("OSError: libobjc.dylib: cannot open shared object file: No such file or directory", None),
        ("OSError: /System/Library/Frameworks/IOKit.framework/IOKit: cannot open shared object file", None),
    ],
)
def test_what_only_other_platforms_have_is_known(error: str, missing: str | None) -> None:
    assert wants_other_platform(error, missing)


@pytest.mark.parametrize(
    ("error", "missing"),
    [
        ("ModuleNotFoundError: No module named 'yaml'", "yaml"),
        ("ModuleNotFoundError: No module named 'demo.winreg'", "demo.winreg"),
        ("AttributeError: module 'ctypes' has no attribute 'no_such'", None),
        ("OSError: libyaml-0.so.2: cannot open shared object file: No such file or directory", None),
        ("ImportError: /x/_c.so: undefined symbol: yaml_parser_parse", None),
    ],
)
def test_what_this_platform_lacks_too_is_not(error: str, missing: str | None) -> None:
    assert not wants_other_platform(error, missing)


@pytest.mark.parametrize(
    ("text", "refuses"),
    [
        ("import sys\nif sys.platform != 'win32':\n    raise ImportError('for Windows')", True),
        ("import os\nif os.name == 'nt':\n    x = 1\nelse:\n    raise ImportError", True),
        ("import platform\nif platform.system() != 'Darwin': raise RuntimeError", True),
        ("import sys\nif sys.version_info < (3,):\n    raise ImportError", False),
        ("import sys\nif sys.platform == 'win32':\n    x = 1\nraise ImportError", False),
        ("def f():\n    if sys.platform == 'x':\n        raise ImportError", False),
        ("if sys.platform ==", False),
        ("(" * 10_000, False),
    ],
)
def test_guard_is_known(text: str, *, refuses: bool) -> None:
    assert refuses_platforms(text) == refuses
