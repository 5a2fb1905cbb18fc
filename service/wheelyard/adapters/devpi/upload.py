"""What an upload of a wheel says about it, taken from the wheel itself. Must not send anything.

An index believes the form, not the file, so every field comes from the wheel's own METADATA (core metadata
specification; the form is warehouse's legacy upload API, which devpi takes too).
"""

import hashlib
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.metadata import RawMetadata
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from wheelyard.domain.packaging.wheel_contents import WheelContents
from wheelyard.domain.untrusted.file_names import read_wheel_name
from wheelyard.domain.untrusted.metadata import parse_metadata
from wheelyard.domain.untrusted.versions import read_version
from wheelyard.errors import HashMismatchError, UntrustedOutputError
from wheelyard.zip_files import open_zip

FormFields = Mapping[str, str | list[str]]
_METADATA_LIMIT_BYTES: Final = 16 << 20
# ValueError covers names and versions; a RuntimeError is what zipfile raises for methods it does not know.
_BROKEN_WHEEL: Final = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError)
# The form's names where they are not those of packaging's RawMetadata.
_FORM_NAMES: Final = {
    "platforms": ("platform",),
    "supported_platforms": ("supported_platform",),
    "license_files": ("license_file",),
    "import_names": ("import_name",),
    "import_namespaces": ("import_namespace",),
    # devpi's own plural, and what everybody else calls it.
    "provides_extra": ("provides_extra", "provides_extras"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class WheelUpload:
    """A wheel that is ready to be uploaded: its hash and its form agree with its bytes."""

    path: Path
    project: NormalizedName
    version: Version
    sha256: str
    size_bytes: int
    fields: FormFields
    """Everything but the file."""
    metadata: bytes
    """The wheel's METADATA file."""
    contents: WheelContents

    @property
    def filename(self) -> str:
        """The file name that the wheel is published under."""
        return self.path.name


def read_upload(wheel: Path, *, sha256: str) -> WheelUpload:
    """Check a wheel and describe its upload; blocking.

    Raises HashMismatchError if it is not the promised file, UntrustedOutputError if it is not a whole wheel.
    """
    with wheel.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise HashMismatchError(what=wheel.name, expected=sha256, found=found)
    try:
        project, version, _, _ = read_wheel_name(wheel.name)
        content = read_metadata(wheel)
        metadata = _parse_metadata(content, project, version)
        contents = read_contents(wheel)
    except _BROKEN_WHEEL as error:
        raise UntrustedOutputError(stage="publish", reason=f"{wheel.name} is not a whole wheel, {error}") from error
    head = {
        ":action": "file_upload",
        "protcol_version": "1",  # spelt so by the first client, and by every one since
        "filetype": "bdist_wheel",
        "pyversion": wheel.name.removesuffix(".whl").split("-")[-3],
        "sha256_digest": sha256,
    }
    # The file name's version is the normalised one, and devpi looks for the form's version in the file name.
    fields = {**form_fields(metadata), **head, "version": str(version)}
    size = wheel.stat().st_size
    return WheelUpload(
        path=wheel,
        project=project,
        version=version,
        sha256=sha256,
        size_bytes=size,
        fields=fields,
        metadata=content,
        contents=contents,
    )


def form_fields(metadata: RawMetadata) -> dict[str, str | list[str]]:
    """Turn core metadata into the form's fields."""
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


def read_metadata(wheel: Path) -> bytes:
    """Read the METADATA file of a wheel, all of whose members must be whole; raises zipfile's errors or ValueError."""
    with open_zip(wheel) as archive:
        if damaged := archive.testzip():
            raise zipfile.BadZipFile(f"its {damaged} is damaged")
        names = [name for name in archive.namelist() if name.count("/") == 1 and name.endswith(".dist-info/METADATA")]
        if len(names) != 1:
            raise ValueError(f"it has {len(names)} METADATA files")
        if archive.getinfo(names[0]).file_size > _METADATA_LIMIT_BYTES:
            raise ValueError("its METADATA is too large")
        return archive.read(names[0])


def read_contents(wheel: Path) -> WheelContents:
    """List the files of a wheel; raises zipfile's errors or ValueError."""
    with open_zip(wheel) as archive:
        return WheelContents.of(archive.infolist())


def _parse_metadata(content: bytes, project: NormalizedName, version: Version) -> RawMetadata:
    raw = parse_metadata(content)
    if canonicalize_name(raw.get("name", "")) != project or read_version(raw.get("version", "")) != version:
        raise ValueError("its METADATA names another release than its file name")
    return raw
