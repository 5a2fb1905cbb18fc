"""The form of an upload, taken from the wheel itself, or for an sdist from a wheel of its release.

An index trusts the form, not the file, so every field comes from the wheel's own METADATA (core metadata
specification). The form is that of warehouse's legacy upload API, which devpi accepts too:
https://github.com/pypa/warehouse/issues/3151
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.metadata import RawMetadata
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from wheelyard.domain.packaging.wheel_contents import WheelContents
from wheelyard.domain.untrusted.file_names import read_sdist_name
from wheelyard.domain.untrusted.metadata import parse_metadata
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.errors import HashMismatchError, UntrustedOutputError
from wheelyard.wheel_files.reader import RefusedWheelError, read_wheel

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
class FileUpload:
    """A file that is ready to be uploaded: its hash and its form agree with its bytes."""

    path: Path
    project: NormalizedName
    version: Version
    sha256: str
    size_bytes: int
    metadata: bytes
    """Its core metadata."""
    contents: WheelContents | None
    fields: FormFields
    """All fields but the file."""

    @property
    def filename(self) -> str:
        """Return the file's name."""
        return self.path.name


def read_upload(path: Path, *, sha256: str) -> FileUpload:
    """Check a wheel and describe its upload. Blocks.

    Raise HashMismatchError if it is not the promised file, UntrustedOutputError if it is not a complete wheel.
    """
    try:
        wheel = read_wheel(path, sha256=sha256)
    except RefusedWheelError as error:
        raise UntrustedOutputError(stage="publish", reason=f"{path.name} is not a complete wheel: {error}") from error
    python = path.name.removesuffix(".whl").split("-")[-3]
    head = _head("bdist_wheel", python, wheel.version, sha256)
    return FileUpload(
        path=path,
        project=wheel.project,
        version=wheel.version,
        sha256=sha256,
        size_bytes=wheel.size_bytes,
        metadata=wheel.metadata,
        contents=wheel.contents,
        fields={**form_fields(wheel.core), **head},
    )


def read_sdist_upload(path: Path, *, sha256: str, metadata: bytes) -> FileUpload:
    """Check an sdist and describe its upload, with the METADATA of a wheel of its release. Blocks.

    devpi has one form for all files of a release: with the sdist's own PKG-INFO, which may leave requirements open, the
    check of a wheel that is published at the same moment would fail.

    Raise HashMismatchError if it is not the promised file, UntrustedOutputError if the name or the metadata is wrong.
    """
    try:
        name, core = read_sdist_name(path.name), parse_metadata(metadata)
    except RefusedTextError as error:
        raise UntrustedOutputError(stage="publish", reason=f"{path.name} is not an sdist: {error}") from error
    if canonicalize_name(core.get("name", "")) != name.project:
        raise UntrustedOutputError(stage="publish", reason=f"{path.name}: the metadata is of another project")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise HashMismatchError(what=path.name, expected=sha256, found=found)
    return FileUpload(
        path=path,
        project=name.project,
        version=name.version,
        sha256=sha256,
        size_bytes=path.stat().st_size,
        metadata=metadata,
        contents=None,
        fields={**form_fields(core), **_head("sdist", "source", name.version, sha256)},
    )


def _head(kind: str, python: str, version: Version, sha256: str) -> dict[str, str]:
    """Return the fields that are not core metadata."""
    return {
        ":action": "file_upload",
        "protcol_version": "1",  # misspelt by the first client, and by every one since
        "filetype": kind,
        "pyversion": python,
        "sha256_digest": sha256,
        # The file name has the normalised version, and devpi looks for the form's version in the file name.
        "version": str(version),
    }


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
