"""Recognise modules for other platforms, whose import cannot work on Linux."""

from __future__ import annotations

import ast
import re
import warnings

# Parts of module names, between dots and underscores, as in keyring.backends.macOS and asyncssh.agent_win32.
_SYSTEMS = (
    r"mac|macosx?|osx|darwin|cocoa|appkit|quartz|ios|iphone|win|win32|win64|windows|winapi|winreg|nt|cygwin|jython|java|"
    r"ironpython|dotnet|android|(free|open|net)?bsd|sunos|solaris|aix|hpux|haiku|emscripten|pyodide|wasm|wasi"
)
_NAME = re.compile(rf"(^|[._])(?:ps)?(?:{_SYSTEMS})\d*(?=$|[._])", re.IGNORECASE)
# The standard library of other platforms and Pythons; then pywin32 and PyObjC.
_MODULES = re.compile(
    r"_?winreg|msvcrt|winsound|nt|_winapi|_overlapped|_scproxy|java|jarray|clr|System|android|jnius|js|_?pyodide(_js)?|"
    r"win32(api|con|gui|file|event|pipe|process|security|service|serviceutil|com|comext|clipboard|print|pdh|ts|ui|console|"
    r"job|profile|evtlog|crypt|cred|net|timezone|typing)|pywintypes|pythoncom|winerror|servicemanager|wmi|comtypes|"
    r"objc|AppKit|Foundation|Cocoa|Quartz|CoreFoundation|CoreServices|Security|PyObjCTools|LaunchServices|FSEvents|"
    r"_watchdog_fsevents|ScriptingBridge|WebKit|UIKit|rubicon"
)
_ATTRIBUTES = re.compile(
    r"(?:module 'ctypes' has no attribute|cannot import name) '(?:windll|oledll|WinDLL|OleDLL|WinError|WINFUNCTYPE|"
    r"FormatError|GetLastError|DllCanUnloadNow)'|"
    r"module '(?:asyncio|asyncio\.\w+)' has no attribute '(?:Windows\w+|ProactorEventLoop|IocpProactor)'|"
    r"module 'select' has no attribute '(?:kqueue|kevent|KQ_\w+)'|"
    r"module 'signal' has no attribute 'CTRL_\w+'|"
    r"module 'subprocess' has no attribute '(?:STARTUPINFO|CREATE_\w+|\w+_PRIORITY_CLASS)'|"
    r"module '(?:os|sys)' has no attribute '(?:startfile|getwindowsversion|winver|add_dll_directory)'"
)
_LIBRARIES = re.compile(
    r"\S\.(?:dylib|dll|DLL|framework)\b|/System/Library/|\b(?:kernel32|user32|advapi32|ntdll|libobjc)\b"
)

_PLATFORM = re.compile(r"\b(?:sys\.platform|os\.name|platform\.system\(\))")
_MAX_CHARACTERS = 1 << 20


def names_other_platform(module: str) -> bool:
    """Return whether a module's name has the name of a platform that is not Linux.

    The name of the package that it is in does not count: all modules of a project such as ``android`` have it.
    """
    return _NAME.search(module.partition(".")[2] or module) is not None


def wants_other_platform(error: str, missing: str | None) -> bool:
    """Return whether an import failed for something that only other platforms have.

    Args:
        error: The text of the error.
        missing: The name of the missing module, if that is what it says.
    """
    if missing is not None and _MODULES.fullmatch(missing.partition(".")[0]):
        return True
    return _ATTRIBUTES.search(error) is not None or _LIBRARIES.search(error) is not None


def refuses_platforms(text: str) -> bool:
    """Return whether a module raises an error, outside of its functions, after it has looked at the platform."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text[:_MAX_CHARACTERS])
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    guards = [one for one in tree.body if isinstance(one, ast.If) and _PLATFORM.search(ast.unparse(one.test))]
    return any(isinstance(inner, ast.Raise) for guard in guards for inner in (*guard.body, *guard.orelse))
