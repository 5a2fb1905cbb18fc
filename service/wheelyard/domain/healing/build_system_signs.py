"""The messages by which pkg-config, CMake and what asks them say what they lack: data, the most specific first."""

from typing import Final

from wheelyard.domain.healing.findings import FindingKind
from wheelyard.domain.healing.signs import (
    DEV_PACKAGE_OF,
    HEADER_CAUSE,
    HEADER_REMEDY,
    LIBRARY_CAUSE,
    MODULE_CAUSE,
    MODULE_REMEDY,
    PROGRAM_CAUSE,
    PROGRAM_REMEDY,
    sign,
)
from wheelyard.domain.recipes.system_packages import debian_package, package_of_header, package_of_program

_PC_CAUSE: Final = "pkg-config does not know {0}"
_PC_REMEDY: Final = "Put the Debian -dev package that holds {0}.pc into the recipe's apt list."
_CMAKE_CAUSE: Final = "CMake does not find {0}"
_BOUNDED_PC: Final = r"([\w.+-]{1,100}+)(?: ?(>=|<=|=|>|<) ?([\w.+~-]{1,40}+))?+"
"""A name of pkg-config, and maybe a bound of its version."""

PKG_CONFIG: Final = (
    # pkg-config and pkgconf. CMake prints the same behind "--   " for what may be optional; its own error says if not.
    sign(
        FindingKind.PKG_CONFIG,
        r"(?<!--   )\bPackage ['\"]?+([\w.+-]{1,100}+)(?:', required by '[^'\n]{1,100}+'|['\"])?+,?+"
        r" (?:was not found|not found)\b",
        _PC_CAUSE,
        _PC_REMEDY,
        package=debian_package,
    ),
    sign(
        FindingKind.PKG_CONFIG,
        r"(?<!--   )\bNo package '([\w.+-]{1,100}+)' found",
        _PC_CAUSE,
        _PC_REMEDY,
        package=debian_package,
    ),
    sign(
        FindingKind.PKG_CONFIG,
        r"\b(?>(?i:unable to|cannot|can't|could not|couldn't|failed to) (?:find|locate)) "
        r"['\"`]?+(?!(?:it|them|this|that|package|library|any)\b)([\w.+-]{1,100}+)['\"`]?+ "
        r"(?>using|with|via|through|by) pkg-?config\b",
        _PC_CAUSE,
        _PC_REMEDY,
        package=debian_package,
    ),
    # Meson, and Meson from 1.10 on
    sign(
        FindingKind.PKG_CONFIG,
        r"\bDependency ['\"]([\w.+-]{1,100}+)['\"],? (?:was )?+(?:not found|is required but not found)",
        _PC_CAUSE,
        _PC_REMEDY,
        package=debian_package,
    ),
    # Meson downloads a missing library from the source that a wrap file in subprojects/ names.
    sign(
        FindingKind.PKG_CONFIG,
        r"ERROR: Git program not found, cannot download ([\w.+-]{1,100})\.wrap\b",
        "Meson does not find {0}, and would download its sources, which builds cannot",
        "Put the Debian -dev package of {0} into the recipe's apt list, or its sources into subprojects/ by sources "
        "(url, sha256, to).",
        package=debian_package,
    ),
    sign(
        FindingKind.PKG_CONFIG,
        r"^ERROR: Subproject ([\w.+-]{1,100}+) is buildable: NO$",
        _PC_CAUSE,
        _PC_REMEDY,
        package=debian_package,
    ),
    sign(
        FindingKind.PKG_CONFIG,
        r"ERROR: Neither a subproject directory nor an? (?>([\w.+-]{1,100}?)\.wrap) file was found",
        _PC_CAUSE,
        _PC_REMEDY,
        package=debian_package,
    ),
    # CMake's pkg_check_modules
    sign(
        FindingKind.PKG_CONFIG,
        r"The following required packages were not found:\s{1,8}+((?:- [\w.+<>=~ -]{1,120}+\n\s{0,8}+){1,20}+)",
        _PC_CAUSE,
        _PC_REMEDY,
        package=debian_package,
        bound="{1}{2}",
        items=r"- " + _BOUNDED_PC,
    ),
    sign(
        FindingKind.PKG_CONFIG,
        r"^--   (?>No package|Package) '([\w.+-]{1,100}+)'[^\n]{0,200}+\n"
        r"(?>(?:--[^\n]{0,200}+\n){0,2}?CMake Error at [^\n]{1,120}?FindPkgConfig)",
        _PC_CAUSE,
        _PC_REMEDY,
        package=debian_package,
    ),
    # The crates pkg-config and system-deps of Rust
    sign(
        FindingKind.PKG_CONFIG,
        r"The system library `([\w.+-]{1,100}+)` required by crate `[\w.+-]{1,100}+` was not found",
        _PC_CAUSE,
        _PC_REMEDY,
        package=debian_package,
    ),
    sign(
        FindingKind.PKG_CONFIG,
        r"pkg-config[\"']?+ (?:[\"']?+--[\w-]{1,60}+[\"']?+ ){1,9}+[\"']?+([\w.+-]{1,100}+)[\"']?+"
        r"(?: [\"']?+[\w.+-]{1,100}+ ([<>=]{1,2}+) ([\w.+~-]{1,40}+)[\"']?+)?+"
        r"(?>[^\n]{0,80}?(?:returned non-zero exit status|did not exit successfully|exited with))",
        _PC_CAUSE,
        _PC_REMEDY,
        package=debian_package,
        bound="{1}{2}",
    ),
    sign(
        FindingKind.PKG_CONFIG,
        r"pkg-config[`\"']?+ exited with [^\n]{0,80}+\n(?>(?:[^\n]{0,300}+\n){0,1}?[^\n]{0,200}?--libs )(?:--cflags )?+"
        r"'?+([\w.+-]{1,100}+)'?+(?:(?: '?+[\w.+-]{1,100}+)?+ ([<>=]{1,2}+) ([\w.+~-]{1,40}+))?+",
        _PC_CAUSE,
        _PC_REMEDY,
        package=debian_package,
        bound="{1}{2}",
    ),
    # The Python modules pkgconfig and pykg-config
    sign(
        FindingKind.PKG_CONFIG,
        r"(?:PackageNotFoundError|pkgconfig\.\w{1,40}+): ([\w.+-]{1,100}+) not found",
        _PC_CAUSE,
        _PC_REMEDY,
        package=debian_package,
    ),
)

CMAKE: Final = (
    # FindPython's components
    sign(
        FindingKind.PYTHON_MODULE,
        r"(?<!-- )Could NOT find Python\d?+ (?>[^\n]{0,100}?\(missing:)(?>[^)]{0,200}?NumPy)",
        MODULE_CAUSE.format("numpy"),
        MODULE_REMEDY.format("numpy"),
        name="numpy",
    ),
    sign(
        FindingKind.PROJECT_REFUSES,
        r"(?<!-- )Could NOT find Python(?>Libs|\d?+) (?>[^\n]{0,60}?\(missing:)"
        r"(?>[^)]{0,120}?(?:Development\.Embed|Python\d?_LIBRARIES|PYTHON_LIBRAR))",
        "it links libpython, and the builders' Pythons have no shared library",
        "An extension module needs none, since the interpreter has all of it (PEP 513): see whether env or "
        "config-settings make the project leave it out.",
        name="libpython",
    ),
    # Toolchains first: FindJava and FindJNI are no packages of a suite.
    sign(
        FindingKind.TOOLCHAIN,
        r"(?<!-- )Could NOT find (?:Java|JNI)\b",
        "it needs Java",
        name="java",
    ),
    sign(FindingKind.TOOLCHAIN, r"Could (?:NOT|not) find ANT_EXECUTABLE", "it needs ant", name="java"),
    # find_library, find_path and find_program with REQUIRED
    sign(
        FindingKind.LIBRARY,
        r"Could not find (?>\w{0,80}?LIB(?:RARY|RARIES|S)?+(?:_PATH|_RELEASE|_DEBUG)?+(?= using)) using the following"
        r" (?>files|names):?+\s{1,8}+(?:lib)?+([\w+-]{1,100}+)",
        LIBRARY_CAUSE,
        DEV_PACKAGE_OF,
        package=debian_package,
    ),
    sign(
        FindingKind.HEADER,
        r"Could not find (?>\w{0,80}?INCLUDE\w{0,20}+) using the following (?>files|names)"
        r":?+\s{1,8}+([\w./+-]{1,200}+)",
        HEADER_CAUSE,
        HEADER_REMEDY,
        package=package_of_header,
    ),
    sign(
        FindingKind.PROGRAM,
        r"Could not find \w{1,100}+ using the following names: ([\w.+-]{1,100}+)",
        "CMake does not find {0}",
        PROGRAM_REMEDY,
        package=package_of_program,
    ),
    # FindPackageHandleStandardArgs
    sign(
        FindingKind.CMAKE_PACKAGE,
        r"CMake Error[^\n]{0,300}+\n\s{0,20}+Could NOT find ([\w.+-]{1,100}+)(?!:? Found unsuitable)"
        r"(?:(?>[^\"]{0,160}?\(Required)\s{1,8}+is\s{1,8}+at\s{1,8}+least\s{1,8}+version\s{1,8}+\"([\w.+~-]{1,40}+)"
        r"\")?+",
        _CMAKE_CAUSE,
        DEV_PACKAGE_OF,
        package=debian_package,
        bound=">={1}",
    ),
    # find_package in config mode
    sign(
        FindingKind.CMAKE_PACKAGE,
        r"Could not find a package configuration file provided by\s{1,8}+\"([\w.+-]{1,100}+)\""
        r"(?:\s{1,8}+\(requested\s{1,8}+version\s{1,8}+([\w.+~-]{1,40}+)\))?+",
        _CMAKE_CAUSE,
        DEV_PACKAGE_OF,
        package=debian_package,
        bound=">={1}",
    ),
    sign(
        FindingKind.CMAKE_PACKAGE,
        r"By not providing \"Find([\w.+-]{1,100}?)\.cmake\" in CMAKE_MODULE_PATH",
        _CMAKE_CAUSE,
        DEV_PACKAGE_OF,
        package=debian_package,
    ),
    sign(
        FindingKind.CMAKE_PACKAGE,
        r"include could not find (?:load|requested) file:\s{1,8}+(?:Find)?([\w.+-]{1,100}+)(?:\.cmake)?+",
        _CMAKE_CAUSE,
        DEV_PACKAGE_OF,
        package=debian_package,
    ),
    # Variables that find_library or find_path could not set
    sign(
        FindingKind.LIBRARY,
        r"they are set to NOTFOUND\.\n(?:Please [^\n]{1,200}+\n)?+\s{0,8}+"
        r"(?>([\w+-]{1,60}?)_(?:LIBRARY|LIBRARIES|LIB|INCLUDE_DIRS?+|INCLUDE_PATH)\b)",
        "CMake does not find {0}",
        DEV_PACKAGE_OF,
        package=debian_package,
    ),
    sign(
        FindingKind.PROGRAM,
        r"No CMAKE_(C|CXX)_COMPILER could be found",
        "CMake does not find a compiler for {0}",
        PROGRAM_REMEDY,
        name="g++",
    ),
    sign(FindingKind.TOOLCHAIN, r"No CMAKE_Fortran_COMPILER could be found", "it needs Fortran", name="fortran"),
    sign(FindingKind.PROGRAM, r"No CMAKE_CUDA_COMPILER could be found", PROGRAM_CAUSE, name="nvcc"),
    sign(
        FindingKind.PROGRAM,
        r"CMake was unable to find a build program corresponding to \"(Ninja|Unix Makefiles)",
        "the build program {0} is missing",
        PROGRAM_REMEDY,
        name="ninja",
    ),
)
