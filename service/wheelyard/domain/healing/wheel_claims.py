"""The findings about false claims of a wheel: what each kind means, and what its project does about it."""

from collections.abc import Sequence
from typing import Final

from wheelyard.domain.healing.findings import Finding, FindingKind
from wheelyard.domain.healing.signs import finding_of
from wheelyard.errors import InvalidWheelError, WheelLie

_MOST: Final = 40
_AGAIN: Final = "and build the wheel again."

REMEDIES: Final = {
    FindingKind.TAG_TOO_OLD: (
        "Compile it on a suite with the older glibc that the tag promises, or let repair give it the tag that "
        "its symbols need."
    ),
    FindingKind.LIBRARY_NOT_PROMISED: (
        "Install the library where the wheel is repaired (the recipe's apt), or build the project without it; "
        "if users have it on their hosts, name it in the recipe's repair.exclude."
    ),
    FindingKind.RPATH_INVALID: (
        "Link with a search path below $ORIGIN that stays inside of the wheel, such as $ORIGIN/../demo.libs; "
        "repair sets it for the libraries that it grafts."
    ),
    FindingKind.ELF_CORRUPT: (
        "Strip before patchelf and auditwheel change the file, never after (CMake: install/strip; setuptools: "
        f"the linker's -s), {_AGAIN}"
    ),
    FindingKind.ABI3_VIOLATED: (
        "Define Py_LIMITED_API as the oldest Python of the tag, so that the compiler shows each use, or raise "
        "the tag to the Python that added the symbols, or build one wheel for each Python."
    ),
    FindingKind.FOREIGN_PLATFORM: (
        f"Remove compiled files of another platform from the source tree, compile for the platform of the tag, {_AGAIN}"
    ),
    FindingKind.ABI_TAG_MISMATCH: (
        f"Remove the old build folder and modules of other Pythons from the source tree, {_AGAIN} For an abi3 "
        "tag, compile each extension with py_limited_api."
    ),
    FindingKind.TAG_TOO_GENERAL: (
        "Give the wheel the tag of the Python that it was compiled for (cp313-cp313), or cp39-abi3 for a "
        "module of the stable ABI; build backends do this once the extension is declared in their tables."
    ),
    FindingKind.EXECUTABLE_STACK: "Add a .note.GNU-stack section to assembly files, or link with -z noexecstack.",
    FindingKind.TEXT_RELOCATIONS: "Compile all of it with -fPIC.",
    FindingKind.PURELIB_NATIVE: (
        f"Let the build backend know of the native code (setuptools: ext_modules or has_ext_modules; WHEEL then has "
        f"Root-Is-Purelib: false), or move the files out of .data/purelib, {_AGAIN}"
    ),
    FindingKind.GIL_ENABLED: (
        "Declare that the module runs without the GIL, once it does: the slot {Py_mod_gil, Py_MOD_GIL_NOT_USED}, or "
        "PyUnstable_Module_SetGIL (Cython: freethreading_compatible; pybind11: mod_gil_not_used). Or publish no wheel "
        "for free-threaded Pythons."
    ),
    FindingKind.REQUIRES_PYTHON_MISMATCH: (
        f"Give Requires-Python and the tag the same Pythons, in pyproject.toml and the backend's settings, {_AGAIN}"
    ),
    FindingKind.METADATA_MISMATCH: (
        f"Rename the file, or change the name, version or tags in METADATA and WHEEL, {_AGAIN} 'wheel tags' "
        "changes the tags in both places."
    ),
    FindingKind.RECORD_MISMATCH: (
        "Do not change a wheel after it is packed, or pack it with 'wheel pack', which writes RECORD anew."
    ),
    FindingKind.ZIP_AMBIGUOUS: (
        "Pack it with 'wheel pack' or its build backend: each member once, with a plain relative name, none "
        "of them a link, and nothing between, before or behind the members."
    ),
    FindingKind.FOREIGN_FOLDER: (
        f"Install only into the project's own folders: exclude the member in the build backend's settings, {_AGAIN}"
    ),
    FindingKind.STARTUP_CODE: (
        "Leave .pth, .start and sitecustomize files out, or let them do no more than import the project's own module, "
        f"{_AGAIN} Build a wheel for others with 'python -m build', not as an editable one."
    ),
    FindingKind.SCRIPTS_INVALID: f"Give the entry point or script a plain file name that is not Python's own, {_AGAIN}",
    FindingKind.WHEEL_UNREADABLE: (
        "Upload or build the whole file again; 'python -m zipfile -t' must pass, and the name must be that of a wheel."
    ),
}
"""What fixes each kind, as sentences."""


def invalid_wheel(file: str, reason: str, kind: FindingKind) -> InvalidWheelError:
    """Return the error for a brought wheel that is refused, with the remedy of the kind of its lie."""
    lie = WheelLie(kind=kind, subject=file, detail=reason)
    return InvalidWheelError(file=file, reason=reason, lies=[lie], remedy=REMEDIES[kind])


def claim_findings(lies: Sequence[WheelLie]) -> tuple[Finding, ...]:
    """Return the findings about a wheel's false claims, each once; kinds that are not known are left out."""
    found = (
        finding_of(
            FindingKind(lie.kind),
            lie.subject,
            cause=f"{lie.subject}: {lie.detail}",
            remedy=REMEDIES[FindingKind(lie.kind)],
        )
        for lie in lies[:_MOST]
        if lie.kind in REMEDIES
    )
    return tuple(dict.fromkeys(one for one in found if one is not None))
