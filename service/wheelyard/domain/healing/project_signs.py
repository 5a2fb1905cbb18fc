"""The messages that are about the project itself: its build requirements, its own refusals, limits, and its code."""

from typing import Final

from wheelyard.domain.healing.findings import FindingKind
from wheelyard.domain.healing.signs import MODULE_CAUSE, MODULE_REMEDY, sign
from wheelyard.errors import DiskLimitError, OpenFilesLimitError, OutOfMemoryError

_OLDER: Final = (
    "Put an upper bound of {0} into the recipe's build-constraints, such as the newest version of the day of the "
    "release, or ask for a newer release."
)
_OLDER_SETUPTOOLS: Final = _OLDER.format("setuptools")
_OLDER_CYTHON: Final = _OLDER.format("cython")
_OLDER_NUMPY: Final = _OLDER.format("numpy")
_BACKENDS: Final = (
    "(?>numpy|Cython|pybind11|skbuild|scikit_build_core|wheel|mesonpy|poetry|flit_core|hatchling|pdm|setuptools_scm|"
    "setuptools_rust|pkgconfig)"
)
_STALE_CAUSE: Final = "its C sources were made by a Cython that is older than this Python: {0}"
_STALE_REMEDY: Final = (
    'Have them made anew: put into the recipe cythonize = ["*"] and build-requires.add = ["cython<3.1"].'
)
_CYTHON_CAUSE: Final = "its Cython sources are older than this Cython: {0}"
_NUMPY_CAUSE: Final = "its C sources use what numpy no longer has: {0}"
_LOCK_REMEDY: Final = "Add a Cargo.lock that fits to the recipe by a patch or as a source."

DRIFT: Final = (
    # setuptools 58 removed use_2to3: https://setuptools.pypa.io/en/latest/history.html#v58-0-0
    sign(
        FindingKind.BACKEND_DRIFT,
        r"(?>error in .{1,100}? setup command:) (use_2to3\w{0,40}+) is invalid",
        "it is written for Python 2, and setuptools no longer converts it ({0})",
        "Ask for a newer release, or convert it by a patch of the recipe; for Python 3.11 and older, "
        'build-constraints = ["setuptools<58"] does, too.',
        name="setuptools",
    ),
    sign(
        FindingKind.BACKEND_DRIFT,
        r"(?>error in .{1,100}? setup command:) ([^\n]{1,200}+)",
        "setuptools does not accept its setup.py: {0}",
        _OLDER_SETUPTOOLS,
        name="setuptools",
    ),
    sign(
        FindingKind.BACKEND_DRIFT,
        r"(Multiple top-level (?:packages|modules) discovered in a flat-layout)",
        "setuptools no longer guesses which packages it has ({0})",
        _OLDER_SETUPTOOLS,
        name="setuptools",
    ),
    sign(
        FindingKind.BACKEND_DRIFT,
        r"configuration error: `?([\w.{}\[\]-]{1,100}+)`? must (?>be|not contain|contain)\b",
        "setuptools refuses its pyproject.toml: {0}",
        _OLDER_SETUPTOOLS,
        name="setuptools",
    ),
    sign(
        FindingKind.BACKEND_DRIFT,
        r"\b(?>InvalidConfigError|RemovedConfigError|DistutilsOptionError|DistutilsSetupError): ([^\n]{1,200}+)",
        "setuptools refuses its metadata: {0}",
        _OLDER_SETUPTOOLS,
        name="setuptools",
    ),
    sign(
        FindingKind.BACKEND_DRIFT,
        r"AttributeError: (?>module |type object |cython_function_or_method )?+'((?>setuptools|distutils)"
        r"[\w.]{0,60}+)' "
        r"(?:object )?+has no attribute '\w{1,60}+'",
        "it uses what {0} no longer has",
        _OLDER_SETUPTOOLS,
        name="setuptools",
    ),
    sign(
        FindingKind.BACKEND_DRIFT,
        r"(?:ImportError: cannot import name '[\w.]{1,60}+' from|ModuleNotFoundError: No module named) "
        r"'((?:setuptools|distutils)\.[\w.]{1,60}+)'",
        "it uses what setuptools no longer has: {0}",
        _OLDER_SETUPTOOLS,
        name="setuptools",
    ),
    sign(
        FindingKind.BACKEND_DRIFT,
        r"ImportError: cannot import name '([\w.]{1,60}+)' from '(?:setuptools|distutils|pkg_resources)'",
        "it uses what setuptools no longer has: {0}",
        _OLDER_SETUPTOOLS,
        name="setuptools",
    ),
    # Build requirements whose modules lost a name
    sign(
        FindingKind.BACKEND_DRIFT,
        rf"ImportError: cannot import name '[\w.]{{1,60}}+' from '({_BACKENDS})(?:\.[\w.]{{1,60}}+)?+'",
        "it uses what {0} no longer has",
        _OLDER,
    ),
    sign(
        FindingKind.BACKEND_DRIFT,
        rf"ModuleNotFoundError: No module named '({_BACKENDS})\.[\w.]{{1,60}}+'",
        "it uses what {0} no longer has",
        _OLDER,
    ),
    sign(
        FindingKind.BACKEND_DRIFT,
        rf"AttributeError: module '({_BACKENDS})(?:\.[\w.]{{1,60}}+)?+' has no attribute '\w{{1,60}}+'",
        "it uses what {0} no longer has",
        _OLDER,
    ),
    sign(
        FindingKind.BACKEND_DRIFT,
        r"TypeError: (?:\w{1,40}+\.)?+setup\(\) got an unexpected keyword argument '(\w{0,40}+)'",
        "the build requirement that has setup() no longer knows {0}",
        _OLDER.format("that requirement"),
        name="",
    ),
    # numpy 2 removed parts of its C API: https://numpy.org/doc/stable/numpy_2_0_migration_guide.html
    sign(
        FindingKind.BACKEND_DRIFT,
        r"error: ([\u2018'](?>struct )?+_?+(?:tag)?+PyArray\w{0,40}+[\u2019'](?>[^\n]{0,60}? has no member named)"
        r"[^\n]{1,60}+)",
        _NUMPY_CAUSE,
        _OLDER_NUMPY,
        name="numpy",
    ),
    sign(
        FindingKind.BACKEND_DRIFT,
        r"error: ((?>no member named '\w{1,60}+' in '(?:struct )?+_?+PyArray|[\u2018'](?>NPY_|PyArray_|npy_|"
        r"PyUFunc_)\w{1,60}+"
        r"[\u2019'] (?>undeclared|was not declared))[^\n]{0,120}+)",
        _NUMPY_CAUSE,
        _OLDER_NUMPY,
        name="numpy",
    ),
    sign(
        FindingKind.BACKEND_DRIFT,
        r"fatal error: (numpy/(?:oldnumeric|noprefix|npy_3kcompat|libnumarray|old_defines|npy_interrupt)\w{0,40}\.h):",
        "its C sources use what numpy no longer has: {0}",
        _OLDER_NUMPY,
        name="numpy",
    ),
    sign(
        FindingKind.BACKEND_DRIFT,
        r"AttributeError: (`?np\.\w{1,40}`? was removed in the NumPy 2\.0 release|"
        r"module 'numpy' has no attribute '\w{1,60}')",
        "it uses what numpy no longer has: {0}",
        _OLDER_NUMPY,
        name="numpy",
    ),
    # Cython 3: https://cython.readthedocs.io/en/latest/src/userguide/migrating_to_cy30.html
    sign(
        FindingKind.BACKEND_DRIFT,
        r"\.p(?>yx|xd|xi|y):\d{1,9}+:\d{1,6}+: ((?>undeclared name not builtin: (?:long|unicode|basestring|xrange|"
        r"unichr|"
        r"reduce|file|cmp|buffer)\b|Compiler crash|Cannot assign type|Invalid use of|Exception clause|"
        r"The keyword 'nogil'|"
        r"Calling gil-requiring|Expected an identifier|Invalid (?:use|type)|'\w{1,40}+' (?:is not a constant|"
        r"redeclared)|"
        r"[Nn]oexcept|[Nn]ogil|cimported module has no attribute|Cannot (?:take address|convert|coerce))[^\n]{0,160}+)",
        _CYTHON_CAUSE,
        _OLDER_CYTHON,
        name="cython",
    ),
    # Cython 3 has no build_ext.cython_sources, which a class of a setup.py overrides.
    sign(
        FindingKind.BACKEND_DRIFT,
        r"AttributeError: (?:'\w{1,60}+' object has no attribute ')?+(cython_sources)\b",
        "its setup.py uses what Cython no longer has: {0}",
        _OLDER_CYTHON,
        name="cython",
    ),
    sign(
        FindingKind.BACKEND_DRIFT,
        r"Compiler crash (?:in|traceback)([^\n]{0,100}+)",
        _CYTHON_CAUSE,
        _OLDER_CYTHON,
        name="cython",
    ),
    # C sources that an old Cython made, with a newer Python: they must be made anew.
    sign(
        FindingKind.C_SOURCES,
        r"error: ([\u2018'](?>struct )?+_?+(?>PyThreadState|ts|PyErr_StackItem|PyLongObject|longobject|PyUnicodeObject|"
        r"PyTypeObject|typeobject|PyFrameObject|frame)\b(?>[^\n]{0,60}? has no member named) [\u2018'](?>exc_\w{1,20}+|"
        r"curexc_\w{1,20}+|ob_digit|tp_print|use_tracing|f_lasti|f_code)[\u2019'])",
        _STALE_CAUSE,
        _STALE_REMEDY,
        name="",
    ),
    sign(FindingKind.C_SOURCES, r"fatal error: (longintrepr\.h): No such file", _STALE_CAUSE, _STALE_REMEDY, name=""),
    sign(
        FindingKind.C_SOURCES,
        r"error: (too (?>few|many) arguments to function [\u2018'](?>_PyLong_AsByteArray|_PyDict_\w{1,40}+|"
        r"_PyGen_\w{1,40}+)[\u2019'])",
        _STALE_CAUSE,
        _STALE_REMEDY,
        name="",
    ),
)

MODULES: Final = (
    # A module that another project's wheel has. Those that Python had are refusals of the project, below.
    sign(
        FindingKind.PROJECT_REFUSES,
        r"(?:ModuleNotFoundError|ImportError): No module named '?(imp|asynchat|asyncore|smtpd|cgi|cgitb|pipes|crypt|"
        r"lib2to3|"
        r"telnetlib|nntplib|imghdr|sndhdr|uu|xdrlib|audioop|aifc|chunk|msilib|nis|ossaudiodev|spwd|sunau|mailcap|"
        r"ConfigParser|StringIO|cStringIO|urllib2|urlparse|Queue|commands|__builtin__|cPickle|httplib|"
        r"binhex|formatter|parser|symbol|macpath|dummy_threading|smtpd|tkMessageBox|Tkinter)'?(?![\w.])",
        "it imports {0}, which this Python does not have any more",
        "Ask for a newer release or an older Python.",
    ),
    sign(
        FindingKind.PYTHON_MODULE,
        r"ModuleNotFoundError: No module named '(distutils)'",
        "it imports distutils, which Python 3.12 removed and setuptools has",
        'Put build-requires.add = ["setuptools"] into the recipe.',
        name="setuptools",
    ),
    sign(
        FindingKind.PYTHON_MODULE,
        r"(?:ModuleNotFoundError|ImportError): No module named '?([\w.]{1,100}+)'?",
        MODULE_CAUSE,
        MODULE_REMEDY,
    ),
    sign(
        FindingKind.PYTHON_MODULE,
        r"\bpython[\d.]{0,6}: No module named ([\w.]{1,100}+)",
        MODULE_CAUSE,
        MODULE_REMEDY,
    ),
    # Cython, and cimports of other projects
    sign(
        FindingKind.PYTHON_MODULE,
        r"\.p(?>yx|xd|xi):\d{1,9}+:\d{1,6}+: '(\w{1,60}+)(?>[./][\w./]{0,100}?\.pxd|\.pxd)' not found",
        "Cython does not find the declarations of {0}",
        MODULE_REMEDY,
    ),
    # Meson
    sign(
        FindingKind.PYTHON_MODULE,
        r"ERROR: (?>python3?+|<[^>\n]{1,100}+>) is missing modules: ([\w.]{1,60}+)",
        MODULE_CAUSE,
        MODULE_REMEDY,
    ),
    # build, pip
    sign(
        FindingKind.PYTHON_MODULE,
        r"Cannot import '(\w{1,60}+)[\w.:]{0,100}+'",
        "its build backend {0} cannot be imported",
        MODULE_REMEDY,
    ),
    sign(
        FindingKind.PYTHON_MODULE,
        r"pkg_resources\.(?:extern\.)?(?:DistributionNotFound|ResolutionError): The '([\w.-]{1,60}+)",
        MODULE_CAUSE,
        MODULE_REMEDY,
    ),
    sign(
        FindingKind.PYTHON_MODULE,
        r"PackageNotFoundError: No package metadata was found for ([\w.-]{1,60}+)",
        MODULE_CAUSE,
        MODULE_REMEDY,
    ),
    # Prose: "Cython is required", "please install cython", "You need numpy"
    sign(
        FindingKind.PYTHON_MODULE,
        r"\b(?>(?i:please install|you need|you must install|could not import|unable to import|cannot import|requires|"
        r"need to install|failed to import)) (?:the )?+(?:python )?+(?>module |package )?+['\"`]?+((?i:cython|numpy|"
        r"pybind11|"
        r"cffi|setuptools_scm|setuptools|scikit-build|scipy|nanobind|pythran|packaging|jinja2|mako|ply|pycparser|"
        r"sip|wheel))\b",
        MODULE_CAUSE,
        MODULE_REMEDY,
    ),
    sign(
        FindingKind.PYTHON_MODULE,
        r"(?<![\w./-])((?i:cython|numpy|pybind11|cffi|scikit-build|scipy|nanobind|pythran))"
        r"(?: >?=? ?\d[\d.]{0,10}+)?+ (?>is|must be) (?>required|needed|installed|not installed|missing|not available)",
        MODULE_CAUSE,
        MODULE_REMEDY,
    ),
)

CRATES: Final = (
    sign(
        FindingKind.CRATES_LOCK,
        r"(?>the lock file|Cargo\.lock)(?>[^\n]{0,200}? needs to be updated) but --(?>locked|frozen|offline)"
        r" was passed",
        "its Cargo.lock is out of date",
        _LOCK_REMEDY,
        name="Cargo.lock",
    ),
    sign(
        FindingKind.CRATES_LOCK,
        r"cannot (?>update|create) the lock file (?>[^\n]{0,200}? because) --(?>locked|frozen|offline) was passed",
        "its Cargo.lock is missing or out of date",
        _LOCK_REMEDY,
        name="Cargo.lock",
    ),
    sign(
        FindingKind.CRATES_LOCK,
        r"(?i)(?>cargo\.lock|\block file)(?>[^\n]{0,60}? (?:does not exist|not found|is missing|must be present|"
        r"out of date|failed to parse))",
        "its Cargo.lock is missing or out of date",
        _LOCK_REMEDY,
        name="Cargo.lock",
    ),
    sign(
        FindingKind.CRATES_LOCK,
        r"error: no matching package (?>named `[\w-]{1,64}+` )?+found\n(?>(?:[^\n]{0,200}+\n){0,4}?location searched:)",
        "its Cargo.lock does not name a crate that it needs",
        _LOCK_REMEDY,
        name="Cargo.lock",
    ),
)

REFUSES: Final = (
    # PyO3 and CFFI refuse the first free-threaded Pythons.
    sign(
        FindingKind.PROJECT_REFUSES,
        r"\b([\w.-]{1,40}+ does not support the free-threaded build[^\n\"]{0,200}+)",
        "it refuses this free-threaded Python: {0}",
        "Ask for the Python without the t, which has the GIL, or for a newer free-threaded one.",
        name="python",
    ),
    sign(
        FindingKind.PROJECT_REFUSES,
        r"error: #error \"?+([^\n\"]{1,300}+)",
        "its source refuses to be compiled here: {0}",
        "If a library is too old, ask for a builder of a newer suite, or build an older release.",
        name="",
    ),
    sign(
        FindingKind.PROJECT_REFUSES,
        r"(?>Package '[\w.-]{1,60}+' requires a different Python|(?>RuntimeError|SystemExit|Error|error|ERROR|"
        r"Exception): "
        r"(?>[^\n]{0,80}?(?:\bPython (?:version )?+[<>=]{0,2}+ ?+\d|Python ?2\b))(?=[^\n]{0,200}+))",
        "it refuses this version of Python",
        "Ask for another release or another Python.",
        name="python",
    ),
    sign(
        FindingKind.PROJECT_REFUSES,
        r"(?>Error|error|ERROR|Exit|Exception): ((?!rustc )(?>[^\n]{0,100}?(?i:unsupported|not supported|only (?:works|"
        r"supported|available|"
        r"runs) on))[^\n]{0,120}+)",
        "it refuses this platform: {0}",
        "",
        name="",
    ),
    # The message of a project's own CMake code (FATAL_ERROR). It is indented and may span lines.
    sign(
        FindingKind.PROJECT_REFUSES,
        r"CMake Error at [^\n(]{1,200}+\(message\):\n((?:  (?!Could NOT find|The following required|"
        r"A required package was not|CMake was unable)"
        r"[^\n]{1,200}+\n?+){1,3}+)",
        "its CMake project refuses: {0}",
        "If it misses a library, put its Debian -dev package into the recipe's apt list.",
        name="",
    ),
    sign(
        FindingKind.PROJECT_REFUSES,
        r"CMake Error at [^\n(]{1,200}+\((?!message|find_|include|cmake_minimum)([\w]{1,40}+)"
        r"\):\n\s{0,8}([^\n]{1,200}+)",
        "its CMake project fails in {0}: {1}",
        "",
        name="",
    ),
    # CMake 4 removed the behaviour of CMake before 3.5.
    sign(
        FindingKind.BACKEND_DRIFT,
        r"(Compatibility with CMake < 3\.5 has been removed from CMake)",
        "its CMake project is older than this CMake: {0}",
        'Put build-constraints = ["cmake<4"] into the recipe, or env CMAKE_POLICY_VERSION_MINIMUM = "3.5".',
        name="cmake",
    ),
    sign(
        FindingKind.BACKEND_DRIFT,
        r"CMake (\d{1,2}(?:\.\d{1,4}){0,3}+) or higher is required\.\s{1,8}+You are running version",
        "it needs CMake {0} or newer",
        'Put build-requires.add = ["cmake>={0}"] into the recipe.',
        name="",
    ),
    sign(
        FindingKind.PROJECT_REFUSES,
        r"\bmeson\.build:\d{1,6}+:\d{1,6}+: ERROR: Problem encountered: ([^\n]{1,300}+)",
        "its Meson project refuses: {0}",
        "",
        name="",
    ),
    sign(
        FindingKind.PROJECT_REFUSES,
        r"\bmeson\.(?>build|options):\d{1,6}+:\d{1,6}+: ERROR: ([^\n]{1,300}+)",
        "its Meson project fails: {0}",
        "",
        name="",
    ),
    sign(
        FindingKind.PROJECT_REFUSES,
        r"^configure: error: (?!Package requirements)([^\n]{1,300}+)",
        "its configure script refuses: {0}",
        "If it misses a library, put its Debian -dev package into the recipe's apt list.",
        name="",
    ),
    sign(
        FindingKind.PROJECT_REFUSES,
        r"^(?>Can't|Cannot|Could not|Couldn't|Unable to) find (?>a |an |the )?+([^\n]{1,120}+)",
        "it does not find {0}",
        "If that is a library, put its Debian -dev package into the recipe's apt list.",
        name="",
    ),
)

EMULATION: Final = (
    sign(
        FindingKind.EMULATOR,
        r"^qemu: (uncaught target signal \d{1,2}+ \([A-Za-z ]{1,30}+\))",
        "a program crashed in the emulator, with qemu's {0}",
        "Build it on a native worker to see whether the project or the emulator is at fault.",
        name="",
    ),
)

LIMITS: Final = (
    sign(
        FindingKind.LIMIT,
        r"No space left on device|Disk quota exceeded",
        "its scratch space is full",
        name=DiskLimitError.code,
    ),
    sign(FindingKind.LIMIT, r"Too many open files", "it has too many open files", name=OpenFilesLimitError.code),
    sign(
        FindingKind.LIMIT,
        r"fatal error: Killed signal terminated program|virtual memory exhausted|cc1plus: out of memory|"
        r"c\+\+: fatal error: Killed|LLVM ERROR: out of memory",
        "a compiler had no memory left",
        name=OutOfMemoryError.code,
    ),
)

CODE: Final = (
    # Test programs of a configure step are excluded: they may fail in a build that succeeds.
    sign(
        FindingKind.COMPILE_ERROR,
        r"^((?!(?>\S{0,200}?conf(?:ig)?test))[\w./+-]{1,200}+)(:\d{1,9}+):\d{1,9}+: (?:fatal )?+error: "
        r"(?!#error)([^\n]{1,300}+)",
        "{0}{1} does not compile: {2}",
    ),
    # Rust
    sign(
        FindingKind.COMPILE_ERROR,
        r"^error(?:\[E\d{4}\])?+: ([^\n]{1,200}+)\n {1,8}+--> ([\w./+-]{1,200}+)(:\d{1,9}+)",
        "{1}{2} does not compile: {0}",
        name="{1}",
    ),
    sign(
        FindingKind.COMPILE_ERROR,
        r"^error: could not compile `([\w-]{1,64}+)`",
        "the crate {0} does not compile",
    ),
    sign(
        FindingKind.COMPILE_ERROR,
        r"error: failed to run custom build command for `([\w-]{1,64}+) v",
        "the build script of the crate {0} failed",
    ),
    # Fortran
    sign(
        FindingKind.COMPILE_ERROR,
        r"^(?>([\w./+-]{1,200}?\.[fF]\w{0,3}+)(?=:))(:\d{1,9}+):\d{1,6}+:\n"
        r"(?>(?:[^\n]{0,200}+\n){1,5}?(?:Fatal )?Error:) ([^\n]{1,300}+)",
        "{0}{1} does not compile: {2}",
    ),
    # Cython
    sign(
        FindingKind.COMPILE_ERROR,
        r"^(?>([\w./+-]{1,200}?\.p(?:yx|xd|xi|y))(?=:))(:\d{1,9}+):\d{1,6}+: (?!warning)([^\n]{1,300}+)",
        "{0}{1} does not compile: {2}",
    ),
    # Go
    sign(
        FindingKind.COMPILE_ERROR,
        r"^(?>([\w./+-]{1,200}?\.go)(?=:))(:\d{1,9}+):\d{1,6}+: ([^\n]{1,300}+)",
        "{0}{1} does not compile: {2}",
    ),
    # Assemblers
    sign(
        FindingKind.COMPILE_ERROR,
        r"^(?>([\w./+-]{1,200}?\.[sS])(?=:))(:\d{1,9}+): Error: ([^\n]{1,300}+)",
        "{0}{1} does not compile: {2}",
    ),
    # Python sources that this Python cannot read
    sign(
        FindingKind.COMPILE_ERROR,
        r"^ {0,8}+File \"([^\"\n]{1,200}+)\", line (\d{1,9}+)\n"
        r"(?>(?:[^\n]{0,200}+\n){0,4}?(?>SyntaxError|IndentationError|TabError):) ([^\n]{1,300}+)",
        "{0}:{1} is no Python of this version: {2}",
    ),
    # Linkers
    sign(
        FindingKind.COMPILE_ERROR,
        r"\bundefined reference to [`\u2018']([\w.:~<>(), *&-]{1,120}+)",
        "it links nothing that has {0}",
        "A library is missing from its own list, or too old.",
    ),
    sign(
        FindingKind.COMPILE_ERROR,
        r"\bld(?:\.\w{1,20}+)?+: (?:error: )?+((?>[^\n]{1,120}?(?:recompile with -fPIC|multiple definition|"
        r"undefined symbol))"
        r"[^\n]{0,100}+)",
        "it does not link: {0}",
        name="",
    ),
)

COMMANDS: Final = (
    sign(
        FindingKind.PROJECT_REFUSES,
        r"^(?>error|Error|ERROR): (?!(?i:command |subprocess|backend |failed building|failed to build|#error))"
        r"([^\n]{1,300}+)",
        "its own code stops: {0}",
        name="",
    ),
    # "failed", "returned non-zero exit status", "died with": setuptools names a command only when it failed.
    sign(
        FindingKind.COMMAND_FAILED,
        r"error: [Cc]ommand '(?:\[')?([^'\n]{1,200}+)'",
        "the command {0} failed",
        name="",
    ),
    sign(
        FindingKind.COMMAND_FAILED,
        r"CalledProcessError: Command '?\[?'?([^'\n]{1,200}+)'",
        "the command {0} failed",
        name="",
    ),
    sign(
        FindingKind.COMMAND_FAILED,
        r"\bg?make(?:\[\d{1,3}+\])?: \*\*\* \[([^\]\n]{1,200}+)\] Error \d{1,3}",
        "make failed: {0}",
        name="",
    ),
)
