"""The form of a wheel's upload, taken from the wheel itself.

An index trusts the form, not the file, so every field comes from the wheel's own METADATA (core metadata
specification). The form is that of warehouse's legacy upload API, which devpi accepts too:
https://github.com/pypa/warehouse/issues/3151
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.metadata import RawMetadata

from wheelyard.errors import UntrustedOutputError
from wheelyard.wheel_files.reader import RefusedWheelError, WheelFile, read_wheel

FormFields = Mapping[str, str | list[str]]
# The form's names where they differ from those of packaging's RawMetadata.
_FORM_NAMES: Final = {
    "platforms": ("platform",),
    "supported_platforms": ("supported_platform",),
    "license_files": ("license_file",),
    "import_names": ("import_name",),
    "import_namespaces": ("import_namespace",),
    # devpi's own plural, and the name that all others use.
    "provides_extra": ("provides_extra", "provides_extras"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class WheelUpload:
    """A wheel that is ready to be uploaded: its hash and its form agree with its bytes."""

    path: Path
    wheel: WheelFile
    fields: FormFields
    """All fields but the file."""


def read_upload(path: Path, *, sha256: str) -> WheelUpload:
    """Check a wheel and describe its upload. Blocks.

    Raise HashMismatchError if it is not the promised file, UntrustedOutputError if it is not a complete wheel.
    """
    try:
        wheel = read_wheel(path, sha256=sha256)
    except RefusedWheelError as error:
        raise UntrustedOutputError(stage="publish", reason=f"{path.name} is not a complete wheel: {error}") from error
    head = {
        ":action": "file_upload",
        "protcol_version": "1",  # misspelt by the first client, and by every one since
        "filetype": "bdist_wheel",
        "pyversion": path.name.removesuffix(".whl").split("-")[-3],
        "sha256_digest": sha256,
    }
    # The file name has the normalised version, and devpi looks for the form's version in the file name.
    return WheelUpload(
        path=path, wheel=wheel, fields={**form_fields(wheel.core), **head, "version": str(wheel.version)}
    )


def form_fields(metadata: RawMetadata) -> dict[str, str | list[str]]:
    """Return core metadata as the form's fields."""
    fields: dict[str, str | list[str]] = {}
    for key, value in metadata.items():
        for name in _FORM_NAMES.get(key, (key,)):
            fields[name] = _form_value(key, value)
    return fields


def _form_value(key: str, value: object) -> str | list[str]:
    if isinstance(value, Mapping):
        return [f"{label}, {address}" for label, address in value.items()]
    if isinstance(value, list):
        return ",".join(value) if key == "keywords" else list(value)
    return str(value)
