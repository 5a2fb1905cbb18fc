"""What a failed stage says is missing or wrong, as data."""

from dataclasses import dataclass
from enum import StrEnum


class FindingKind(StrEnum):
    """What kind of thing a build lacks or met."""

    HEADER = "header-missing"
    PKG_CONFIG = "pkg-config-missing"
    LIBRARY = "library-missing"
    PROGRAM = "program-missing"
    CMAKE_PACKAGE = "cmake-package-missing"
    TOOLCHAIN = "toolchain-missing"
    PYTHON_MODULE = "python-module-missing"
    LIBRARY_TOO_OLD = "library-too-old"
    BACKEND_DRIFT = "backend-drift"
    """The build backend, or another build requirement, is newer than the project can use."""
    NETWORK = "network-wanted"
    HOST_LIBRARY = "host-library-missing"
    """A library that the policy promises on every host, and that the bare image lacks."""
    EXTENSION_LOST = "extension-lost"
    CRATES_LOCK = "crates-lock-stale"
    """A Cargo.lock that is missing or out of date."""
    C_SOURCES = "c-sources-stale"
    """C sources that an older Cython made, and that do not compile with this Python."""
    PROJECT_REFUSES = "project-refuses"
    """The project's own code refuses this platform, Python or release."""
    LIMIT = "limit-reached"
    EMULATOR = "emulator-crashed"
    """qemu-user ended a program: the program crashed, or the emulator has a fault."""
    COMPILE_ERROR = "compile-error"
    COMMAND_FAILED = "command-failed"
    """A program failed, and its output says no more."""
    # False claims of a wheel, by the field's terms.
    TAG_TOO_OLD = "tag-too-old"
    LIBRARY_NOT_PROMISED = "library-not-promised"
    RPATH_INVALID = "rpath-invalid"
    ELF_CORRUPT = "elf-corrupt"
    ABI3_VIOLATED = "abi3-violated"
    FOREIGN_PLATFORM = "foreign-platform"
    ABI_TAG_MISMATCH = "abi-tag-mismatch"
    TAG_TOO_GENERAL = "tag-too-general"
    EXECUTABLE_STACK = "executable-stack"
    TEXT_RELOCATIONS = "text-relocations"
    PURELIB_NATIVE = "purelib-native"
    """Native files are installed where only files for every platform belong."""
    GIL_ENABLED = "gil-enabled"
    """A module under a free-threaded tag has Python switch its global interpreter lock on."""
    METADATA_MISMATCH = "metadata-mismatch"
    REQUIRES_PYTHON_MISMATCH = "requires-python-mismatch"
    RECORD_MISMATCH = "record-mismatch"
    ZIP_AMBIGUOUS = "zip-ambiguous"
    """Installers would unpack it differently, outside of its folder, or without end."""
    FOREIGN_FOLDER = "foreign-folder"
    STARTUP_CODE = "startup-code"
    SCRIPTS_INVALID = "scripts-invalid"
    WHEEL_UNREADABLE = "wheel-unreadable"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that a failed stage says. Names and lines are untrusted text, printable and limited in length."""

    kind: FindingKind
    name: str
    """What is missing, as the log names it: ``fftw3.h``, ``libgeos``, ``mecab-config``, ``rust``, ``setuptools``."""
    bound: str = ""
    """The version that is wanted, such as ``>=9.4``; empty if none is named."""
    found: str = ""
    """The version that is there, for what is too old."""
    line: str = ""
    """The log's line."""
    cause: str = ""
    """A sentence's part for people: ``the C header fftw3.h is missing``."""
    remedy: str = ""
    """What would mend it, as a sentence; empty if nothing is known."""
