"""The messages by which compilers, linkers and backends say what they lack: data, the most specific first.

They report in prose only, so it is prose that is searched. There are no rules for single projects: those belong into
recipes.
"""

from typing import Final

from wheelyard.domain.healing.build_system_signs import CMAKE, PKG_CONFIG
from wheelyard.domain.healing.findings import FindingKind
from wheelyard.domain.healing.signs import (
    DEV_PACKAGE_OF,
    HEADER_CAUSE,
    HEADER_REMEDY,
    LIBRARY_CAUSE,
    NEWER_SUITE,
    PROGRAM_CAUSE,
    PROGRAM_REMEDY,
    sign,
)
from wheelyard.domain.recipes.system_packages import debian_package, package_of_header, package_of_program

_LIBRARY_REMEDY: Final = "Put the Debian -dev package that holds lib{0}.so into the recipe's apt list."
_OLD_CAUSE: Final = "it wants {0} {1}, and the builder has {2}"

HEADERS: Final = (
    # gcc
    sign(
        FindingKind.HEADER,
        r"fatal error: (?!longintrepr\.h)([\w./+-]{1,200}+): No such file or directory",
        HEADER_CAUSE,
        HEADER_REMEDY,
        package=package_of_header,
    ),
    # clang, and bindgen of Rust
    sign(
        FindingKind.HEADER,
        r"(?:fatal )?+error: '([\w./+-]{1,200}+)' file not found",
        HEADER_CAUSE,
        HEADER_REMEDY,
        package=package_of_header,
    ),
    # Meson
    sign(
        FindingKind.HEADER,
        r"ERROR: (?:C|C\+\+|ObjC|Fortran) header ['\"]([\w./+-]{1,200}+)['\"] not found",
        HEADER_CAUSE,
        HEADER_REMEDY,
        package=package_of_header,
    ),
    # gfortran: a library's modules are files like headers.
    sign(
        FindingKind.HEADER,
        r"Fatal Error: Cannot (?>open|read) module file ['\u2018](?>([\w.+-]{1,100}?\.mod)\b)",
        "the Fortran module {0} is missing",
        HEADER_REMEDY,
    ),
    # swig
    sign(
        FindingKind.HEADER,
        r": Error: Unable to find '([\w./+-]{1,200}+)'",
        "swig does not find {0}",
        "Put the package that holds {0} into the recipe's apt list.",
    ),
    # setup scripts
    sign(
        FindingKind.HEADER,
        r"^(?>(?:error|ERROR|RuntimeError|Exception|SystemExit): )?+"
        r"(?!config|version|setup)(?>([\w/+-]{1,60}+\.h(?:pp)?+)) "
        r"(?>(?:was|is|could) )?+not (?:be )?+found[.!]?$",
        HEADER_CAUSE,
        HEADER_REMEDY,
        package=package_of_header,
    ),
    # configure scripts
    sign(
        FindingKind.HEADER,
        r"^configure: error: (?>[^\n]{0,60}?(?<![\w./+-])([\w/+-]{1,60}+\.h))\b",
        HEADER_CAUSE,
        HEADER_REMEDY,
        package=package_of_header,
    ),
)

_NEWER_PYTHON: Final = "Ask for a newer Python, or build an older release."
PYTHON_TOO_OLD: Final = (
    # The project's own check, in C or in Python
    *(
        sign(
            FindingKind.PYTHON_TOO_OLD,
            r"(?i:error|exit|exception): (?>#error )?+\"?+((?>[^\n\"]{0,60}?\b(?>[Rr]equire|[Nn]eed)s?+ "
            r"(?>at least )?+C?+Python )"
            rf"{floor}[^\n\"]{{0,60}}+)",
            "it needs Python {1} or newer: {0}",
            _NEWER_PYTHON,
            name="python",
            bound=">={1}",
        )
        for floor in (
            r">=(?> )?+(3\.\d{1,2}+)",
            r"(3\.\d{1,2}+)(?>\.\d{1,2}+)?+(?>\+| or (?>newer|later|higher|above)\b)",
        )
    ),
    # PyO3 and CFFI, which refuse the first free-threaded Pythons
    sign(
        FindingKind.PYTHON_TOO_OLD,
        r"(?i:error|exception): ([\w.-]{1,40}+ does not support "
        r"(?>[^\n]{0,60}?\b(?:versions? below|Upgrade to free-threaded) )(3\.\d{1,2}+)[^\n]{0,60}+)",
        "it needs Python {1} or newer: {0}",
        _NEWER_PYTHON,
        name="python",
        bound=">={1}",
    ),
)

TOO_OLD: Final = (
    # Meson
    sign(
        FindingKind.LIBRARY_TOO_OLD,
        r"Invalid version, need '([\w.+-]{1,100}+)' \['([^\]'\n]{1,60}+(?:', '[^\]'\n]{1,60}+){0,3}+)"
        r"'\] found '([\w.+~-]{1,40}+)'",
        _OLD_CAUSE,
        NEWER_SUITE,
        bound="{1}",
        found="{2}",
    ),
    # pkg-config and pkgconf
    sign(
        FindingKind.LIBRARY_TOO_OLD,
        r"Requested '([\w.+-]{1,100}+) ([<>=]{1,2}+) ([\w.+~-]{1,40}+)' (?>but version of [^\n]{1,100}? is)"
        r" ([\w.+~-]{1,40}+)",
        "it wants {0} {1} {2}, and the builder has {3}",
        NEWER_SUITE,
        bound="{1}{2}",
        found="{3}",
    ),
    sign(
        FindingKind.LIBRARY_TOO_OLD,
        r"Package dependency requirement '([\w.+-]{1,100}+) (>=|=|>) ([\w.+~-]{1,40}+)' could not be satisfied"
        r"(?:\.\s{1,3}Package '[\w.+-]{1,100}+' has version '([\w.+~-]{1,40}+)')?+",
        "it wants {0} {1} {2}, and the builder has an older one",
        NEWER_SUITE,
        bound="{1}{2}",
        found="{3}",
    ),
    # CMake: find_package in module mode, and in config mode
    sign(
        FindingKind.LIBRARY_TOO_OLD,
        r"(?<!-- )Could NOT find ([\w.+-]{1,100}+):? Found unsuitable\s{1,8}+(?:exact )?version \"([\w.+~-]{1,40}+)\","
        r"\s{1,8}+but\s{1,8}+required\s{1,8}+is(?:\s{1,8}+at\s{1,8}+least|"
        r"\s{1,8}+exact\s{1,8}+version)?+\s{1,8}+\"([\w.+~-]{1,40}+)\"",
        "it wants {0} {2}, and the builder has {1}",
        NEWER_SUITE,
        bound=">={2}",
        found="{1}",
    ),
    sign(
        FindingKind.LIBRARY_TOO_OLD,
        r"Could not find a configuration file for package \"([\w.+-]{1,100}+)\" that(?: is)?\s{1,8}+"
        r"(?:is\s{1,8}+)?compatible\s{1,8}+with\s{1,8}+requested\s{1,8}+version\s{1,8}+\"([\w.+~-]{1,40}+)\"",
        "it wants {0} {1}, and the builder has another version",
        NEWER_SUITE,
        bound=">={1}",
    ),
    sign(
        FindingKind.LIBRARY_TOO_OLD,
        r"(?i)minimum supported (?>([\w.+ -]{1,60}?) version is) (\d{1,9}+(?:\.\d{1,9}+){0,5}+)"
        r"(?:, installed version is (\d{1,9}+(?:\.\d{1,9}+){0,5}+))?+",
        "it needs {0} {1} or newer, and the builder has an older one",
        NEWER_SUITE,
        bound=">={1}",
        found="{2}",
    ),
    # The C preprocessor: the project's own check
    sign(
        FindingKind.LIBRARY_TOO_OLD,
        r"error: #error \"?+((?>[^\n\"]{0,100}?\b(?:[Rr]equires?|[Nn]eeds?))(?: at least)?+ ([A-Za-z][\w.+-]{1,60}+)"
        r"(?: version)?+ (?>>= ?)?+v?+(\d{1,9}+(?:\.\d{1,9}+){1,5}+)[^\n\"]{0,200}+)",
        "its source refuses to be compiled here: {0}",
        "If a library is too old, ask for a builder of a newer suite, or build an older release.",
        name="{1}",
        bound=">={2}",
    ),
    # autoconf's AM_PATH_* and many hand-written checks
    sign(
        FindingKind.LIBRARY_TOO_OLD,
        r"^(?>configure: error|\*{3}|Error|ERROR|error|RuntimeError|Exception|SystemExit): (?>[^\n]{0,40}?\b"
        r"(?!(?i:python|cython|numpy|version|least|than|or|and|gcc|setuptools|cmake|ninja)\b)"
        r"([A-Za-z][\w+-]{1,40}+)(?: version)?+ (?:>= ?|v)?(?=\d))(\d{1,9}+(?:\.\d{1,9}+){0,5}+)"
        r"(?: or (?>newer|later|higher|greater|above))?+ (?>is|are) (?>required|needed)\b",
        "it needs {0} {1} or newer",
        NEWER_SUITE,
        bound=">={1}",
    ),
)

LIBRARIES: Final = (
    sign(
        FindingKind.PROJECT_REFUSES,
        r"/ld(?:\.\w{1,20}+)?+: cannot find -lpython([\d.]{1,10}+)",
        "it links libpython{0}, and the builders' Pythons have no shared library",
        "An extension module needs none, since the interpreter has all of it (PEP 513): see whether env or "
        "config-settings make the project leave it out. A program that embeds Python cannot be a manylinux wheel.",
        name="libpython{0}",
    ),
    sign(
        FindingKind.PROJECT_REFUSES,
        r"undefined reference to [`'](_?+Py[A-Z_]\w{1,60}+)'",
        "it wants {0} when it is linked: it makes a program that embeds Python, or forbids undefined symbols",
        "An extension module gets these symbols from the interpreter (PEP 513): see whether env or config-settings "
        "make the project link without them. A program that embeds Python cannot be a manylinux wheel.",
        name="libpython",
    ),
    # GNU ld, gold, mold and lld
    sign(
        FindingKind.LIBRARY,
        r"/?\bld(?:\.\w{1,20}+)?+: (?:error: )?+(?:cannot find|unable to find library|library not found for|"
        r"library not found:) (?:-l)?+(?!python\d)([\w.+-]{1,100}+)",
        LIBRARY_CAUSE,
        _LIBRARY_REMEDY,
        package=debian_package,
    ),
    # Meson
    sign(
        FindingKind.LIBRARY,
        r"ERROR: (?:C|C\+\+|ObjC|Fortran|Rust) (?:shared or static|shared|static) library ['\"]([\w.+-]{1,100}+)['\"] "
        r"not found",
        LIBRARY_CAUSE,
        _LIBRARY_REMEDY,
        package=debian_package,
    ),
    # Rust's compiler and clang-sys
    sign(
        FindingKind.LIBRARY,
        r"error: could not find native static library `([\w.+-]{1,100}+)`",
        LIBRARY_CAUSE,
        _LIBRARY_REMEDY,
        package=debian_package,
    ),
    sign(
        FindingKind.LIBRARY,
        r"(?i)unable to find (libclang)\b",
        LIBRARY_CAUSE,
        DEV_PACKAGE_OF,
        package=debian_package,
    ),
    # The prose of many a setup.py
    sign(
        FindingKind.LIBRARY,
        r"(?:RequiredDependencyException: |headers or library files could not be found for )([\w+-]{1,100}+)",
        "the library {0} is missing, or its headers are",
        DEV_PACKAGE_OF,
        package=debian_package,
    ),
    # make, ninja, and CMake's own check of an imported target
    sign(
        FindingKind.LIBRARY,
        r"(?:No rule to make target [\u2018'`]|ninja: error: '|references the file\s{1,12}+\")"
        r"/usr/lib/(?:[\w.+-]{1,60}+/){0,4}+lib(?>([\w.+-]{1,80}?)\.(?:so|a)\b)",
        LIBRARY_CAUSE,
        _LIBRARY_REMEDY,
        package=debian_package,
    ),
    # Prose of setup scripts
    sign(
        FindingKind.LIBRARY,
        r"(?i)\b(?>have you installed|did you install|do you have)(?: the)?+ (?!all\b|any\b|your\b|it\b|python)"
        r"([\w.+-]{1,40}+)(?: installed| library)?+\?",
        LIBRARY_CAUSE,
        DEV_PACKAGE_OF,
        package=debian_package,
    ),
    sign(
        FindingKind.LIBRARY,
        r"(?i)(?>you need to install|make sure|please install)(?: that)?+(?: you have)?+(?: installed)?+(?: the)?+"
        r" ((?:[\w.+-]{1,40}+(?:, and|,| and) ){0,5}+[\w.+-]{1,40}+) dev(?:elopment|el)?+ (?>headers|files|"
        r"libraries|packages?)\b",
        "the development files of {0} are missing",
        DEV_PACKAGE_OF,
        package=debian_package,
        items=r"(?<![\w.+-])(?!(?i:and|the|your|python[\d.]{0,6}+)\b)([\w.+-]{1,40}+)",
    ),
    sign(
        FindingKind.LIBRARY,
        r"\b[Nn]o (lib[\w.+-]{1,60}) (?:was |were )?(?:detected|found)\b",
        LIBRARY_CAUSE,
        DEV_PACKAGE_OF,
        package=debian_package,
    ),
    # dlopen, by ctypes or a program that was just built
    sign(
        FindingKind.LIBRARY,
        r"\blib(?>([\w+-]{1,60}?)\.so)[\d.]{0,20}+: cannot open shared object file",
        LIBRARY_CAUSE,
        _LIBRARY_REMEDY,
        package=debian_package,
    ),
    # configure scripts
    sign(
        FindingKind.LIBRARY,
        r"^configure: error: (?!Package requirements)(?>[^\n]{0,60}?\b(?!lib(?:tool|rar|s\b))(lib[\w+-]{1,60}+))",
        LIBRARY_CAUSE,
        DEV_PACKAGE_OF,
        package=debian_package,
    ),
)

TOOLCHAINS: Final = (
    # Cargo and rustc that are too old are a toolchain with a floor.
    sign(
        FindingKind.TOOLCHAIN,
        r"(?:requires|it requires|package requires) rustc (\d{1,9}(?:\.\d{1,9}){1,3}+)(?: or newer)?",
        "it needs Rust",
        name="rust",
        bound=">={0}",
    ),
    sign(
        FindingKind.TOOLCHAIN,
        r"\bfeature `(edition20\d\d)` is required\s",
        "it needs a newer Rust toolchain",
        name="rust",
    ),
    sign(
        FindingKind.TOOLCHAIN,
        r"lock file version `?\d{1,3}+`? (?:requires|was found, but this version of Cargo)",
        "it needs a newer Rust toolchain",
        name="rust",
    ),
    sign(
        FindingKind.TOOLCHAIN,
        r"(?i)can't find rust compiler|rustc, the rust compiler, is not installed|"
        r"cargo(?:, the rust package manager)?+,?+ is not installed|rustc.{0,20}not found|"
        r"rust not found, installing|\bcargo: (?:command )?not found|failed to (?:run|execute|start)"
        r"[^\n]{0,40} `?(?:cargo|rustc)\b",
        "it needs a Rust toolchain",
        name="rust",
    ),
    # Meson
    sign(
        FindingKind.TOOLCHAIN,
        r"Unknown compiler\(s\): \[\[?'(?:gfortran|flang|f95)",
        "it needs a Fortran compiler",
        name="fortran",
    ),
    sign(FindingKind.TOOLCHAIN, r"Unknown compiler\(s\): \[\[?'rustc", "it needs Rust", name="rust"),
    sign(FindingKind.TOOLCHAIN, r"Unknown compiler\(s\): \[\[?'javac", "it needs Java", name="java"),
    sign(
        FindingKind.PROGRAM,
        r"Unknown compiler\(s\): \[\[?'([\w.+-]{1,60}+)'",
        "Meson does not find the compiler {0}",
        PROGRAM_REMEDY,
    ),
    # numpy.distutils and others
    sign(
        FindingKind.TOOLCHAIN,
        r"(?i)no fortran compiler (?:was )?found|could not find (?:a )?fortran compiler|requires a fortran compiler|"
        r"gfortran (?:compiler )?(?:was )?not found",
        "it needs a Fortran compiler",
        name="fortran",
    ),
    sign(
        FindingKind.TOOLCHAIN,
        r"(?i)\bjava_home\b.{0,40}(?:not (?:set|defined|found)|must be set|invalid)|no java (?:compiler|jdk|runtime)|"
        r"\bplease (?:set|define) (?:the )?+(?:environment variable )?+['\"`$]?+java_home\b(?!=)|"
        r"unable to (?:find|locate) (?:a )?(?:java|jvm|jdk|javac)\b|could not find (?:a )?(?:java|jvm|jdk|javac)\b|"
        r"(?:jdk|javac) (?:was )?not found",
        "it needs Java",
        name="java",
    ),
    sign(
        FindingKind.TOOLCHAIN,
        r"bazel.{0,20}not found|No such file or directory: '(?:/[^\s']{0,200}/)?bazel(?:isk)?'",
        "it needs Bazel",
        name="bazel",
    ),
)

PROGRAMS: Final = (
    sign(
        FindingKind.PROGRAM,
        r"(?<!checking for )\b((?:pg|mysql|mariadb|xml2|xslt|curl|krb5|geos|gdal|freetype|llvm|net-snmp|apr|nc|gsl|"
        r"mapnik|cups|pcre)[_-]"
        r"config)\b.{0,40}not found",
        PROGRAM_CAUSE,
        "Put the Debian -dev package that holds {0} into the recipe's apt list.",
        package=package_of_program,
    ),
    sign(
        FindingKind.PROGRAM,
        r"\[Errno 2\] No such file or directory: '(?:/[\w./+-]{0,200}/)?([\w.+-]{1,60}[-_]config)'",
        PROGRAM_CAUSE,
        PROGRAM_REMEDY,
        package=package_of_program,
    ),
    # Python's subprocess module
    sign(
        FindingKind.PROGRAM,
        r"raise child_exception_type[^\n]{0,200}+\n(?:[ ^~]{1,200}+\n)?+"
        r"(?:FileNotFoundError|OSError): \[Errno 2\] No such file or directory: "
        r"[b]?'(?:/[\w./+-]{0,200}/)?([^'\n/]{1,100}+)'",
        PROGRAM_CAUSE,
        PROGRAM_REMEDY,
        package=package_of_program,
    ),
    # setuptools and distutils
    sign(
        FindingKind.PROGRAM,
        r"error: [Cc]ommand '([\w./+-]{1,100}+)' failed: No such file or directory",
        PROGRAM_CAUSE,
        PROGRAM_REMEDY,
        package=package_of_program,
    ),
    sign(
        FindingKind.PROGRAM,
        r"(?:unable to execute|Unable to execute|could not execute) '?([\w./+-]{1,100}+)'?: No such file or directory",
        PROGRAM_CAUSE,
        PROGRAM_REMEDY,
        package=package_of_program,
    ),
    # A program that a setup.py runs: setuptools prints the error only. In capitals it is rather a file, such as README.
    sign(
        FindingKind.PROGRAM,
        r"^(?:error: )?+(?:\[Errno 2\] )?+No such file or directory: '(?![A-Z]{2})([\w+-]{1,60}+)'",
        PROGRAM_CAUSE,
        PROGRAM_REMEDY,
        package=package_of_program,
    ),
    # dash, bash, env and make
    sign(
        FindingKind.PROGRAM,
        r"\bsh: (?:line )?+(?:\d{1,6}+: )?+([\w./+-]{1,100}+): (?:command )?+not found",
        PROGRAM_CAUSE,
        PROGRAM_REMEDY,
        package=package_of_program,
    ),
    sign(
        FindingKind.PROGRAM,
        r"\.sh: (?:line )?+\d{1,6}+: ([\w.+-]{1,100}+): (?:command )?+not found",
        PROGRAM_CAUSE,
        PROGRAM_REMEDY,
        package=package_of_program,
    ),
    sign(
        FindingKind.PROGRAM,
        r"\b(?:make|gmake|env)(?:\[\d{1,3}+\])?+: [\u2018'`]?([\w.+-]{1,100}+)['\u2019]?: No such file or directory",
        PROGRAM_CAUSE,
        PROGRAM_REMEDY,
        package=package_of_program,
    ),
    sign(
        FindingKind.PROGRAM,
        r"(?:gcc|g\+\+|cc|c\+\+|clang): fatal error: cannot execute [\u2018'`](?:cc1plus|cc1obj|f951|as)['\u2019]",
        "the compiler of the builder is not complete",
        PROGRAM_REMEDY,
        name="g++",
    ),
    # Meson
    sign(
        FindingKind.PROGRAM,
        r"ERROR: Program ['\"]([\w./+-]{1,100}+)(?: [^'\"\n]{1,200}+)?['\"] not found",
        PROGRAM_CAUSE,
        PROGRAM_REMEDY,
        package=package_of_program,
    ),
    sign(
        FindingKind.PROGRAM,
        r"failed: Pkg-config (?>for machine [a-z]{4,6}+ machine not found|binary missing)",
        "the program pkg-config is missing",
        PROGRAM_REMEDY.format("pkg-config"),
        name="pkg-config",
    ),
    sign(
        FindingKind.PROGRAM,
        r"ERROR: Could not detect [Nn]inja",
        "the program ninja is missing",
        'Put build-requires.add = ["ninja"] into the recipe.',
        name="ninja",
    ),
    # meson-python and scikit-build
    sign(
        FindingKind.PROGRAM,
        r"\bexecutable ['\"]([\w.+-]{1,60}+)['\"] (?:was )?+not found",
        PROGRAM_CAUSE,
        PROGRAM_REMEDY,
        package=package_of_program,
    ),
    # Prose: "Unable to find swig", "h5cc not found", "CMake must be installed"
    sign(
        FindingKind.PROGRAM,
        r"(?<!-- )\b(?>(?i:unable to find|cannot find|can't find|could not find|couldn't find|unable to locate|"
        r"please install|"
        r"failed to find)) (?:the )?+(?>program |command |executable )?+['\"`]?+(swig|cmake|ninja|bison|flex|nasm|yasm|"
        r"h5cc|h5pcc|doxygen|protoc|mpicc|mpicxx|nvcc|autoconf|automake|libtool|autoreconf|pkg-config|pkgconf|git|"
        r"node|npm|"
        r"yarn|go|perl|patchelf|gperf|re2c|ragel|thrift|llvm-config|(?>[\w-]{1,40}?[-_]config))(?![\w.-])",
        PROGRAM_CAUSE,
        PROGRAM_REMEDY,
        package=package_of_program,
    ),
    sign(
        FindingKind.PROGRAM,
        r"(?<![\w./-])(?>(swig|[Cc][Mm]ake|ninja|bison|flex|nasm|yasm|h5cc|h5pcc|doxygen|protoc|mpicc|mpicxx|nvcc|"
        r"autoconf|"
        r"automake|libtoolize|autoreconf|pkg-config|pkgconf|git|node|npm|yarn|golang|perl|gperf|re2c|ragel|"
        r"llvm-config))"
        r"['\"`]?+(?> (?:program|command|executable|compiler|binary))?+(?: ?>=? ?\d[\d.]{0,10}+)?+ "
        r"(?:(?>was|is|must be|could) ){0,2}+"
        r"(?>not found|not be found|not installed|missing|installed to build|"
        r"required to build (?!the |optional|doc|test|bench)[\w.-]{1,60}+[.!]?$)",
        PROGRAM_CAUSE,
        PROGRAM_REMEDY,
        package=package_of_program,
    ),
    sign(
        FindingKind.PROGRAM,
        r"['\"`]([\w+-][\w.+-]{0,60}+)['\"`] (?>command|program|executable|utility|tool|binary)\b"
        r" (?>(?:is|was|could|cannot|appears|seems|does) )?+"
        r"(?:not (?:to )?+(?:be )?+(?:installed|found)|be found|missing)\b"
        r"(?![,;:])",
        PROGRAM_CAUSE,
        PROGRAM_REMEDY,
        package=package_of_program,
    ),
    sign(
        FindingKind.PROGRAM,
        r"\b([\w+-][\w.+-]{0,100}+) executable (?:was )?not found",
        PROGRAM_CAUSE,
        PROGRAM_REMEDY,
        package=package_of_program,
    ),
    sign(
        FindingKind.PROGRAM,
        r"exec: \"([\w.+-]{1,60}+)\": executable file not found in \$PATH",
        PROGRAM_CAUSE,
        PROGRAM_REMEDY,
        package=package_of_program,
    ),
    # Crates that run programs: cmake, prost-build, autotools
    sign(
        FindingKind.PROGRAM,
        r"is `([\w.+-]{1,60}+)` not installed\?",
        PROGRAM_CAUSE,
        PROGRAM_REMEDY,
        package=package_of_program,
    ),
    sign(
        FindingKind.PROGRAM,
        r"Could not find `([\w.+-]{1,60}+)`",
        PROGRAM_CAUSE,
        PROGRAM_REMEDY,
        package=package_of_program,
    ),
    sign(
        FindingKind.PROJECT_REFUSES,
        r"(?i)can ?not find valid pkg-config name",
        "pkg-config does not know a library that it needs",
        "Put the Debian -dev package of the library into the recipe's apt list.",
        name="",
    ),
    sign(
        FindingKind.LIBRARY,
        r"\b([\w+-][\w.+-]{0,100}+) is not installed or (?:is )?not (?:in|on) (?:the )?(?i:path)\b",
        "{0} is not installed",
        "Put the Debian package of {0}, and its -dev package, into the recipe's apt list.",
        package=debian_package,
    ),
)
MISSING: Final = (*HEADERS, *PYTHON_TOO_OLD, *TOO_OLD, *LIBRARIES, *PKG_CONFIG, *CMAKE, *TOOLCHAINS, *PROGRAMS)
