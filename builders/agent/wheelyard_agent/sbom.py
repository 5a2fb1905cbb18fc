"""Put into a wheel what others made of it: a CycloneDX document (PEP 770), license texts, and true METADATA (PEP 639).

Equal wheels give equal bytes: the document has no time, and its serial number is made from its content.
https://cyclonedx.org/docs/1.6/json/
"""

from __future__ import annotations

import json
import re
import uuid
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from wheelyard_agent.components import Component, Contents, quoted
from wheelyard_agent.job import say
from wheelyard_agent.rewrite import info_folder, rewrite_wheel

_NAMESPACE = uuid.UUID("3d9c3f0e-51e8-5a0c-9c1d-0f6f2f1f7a55")
_AUDITWHEEL = "auditwheel.cdx.json"
_OURS = "wheelyard"
_FIELD = re.compile(rb"(?im)^([A-Za-z-]+):[ \t]*([^\r\n]*)")
_NEW_METADATA = (2, 4)
"""The first version of metadata that has License-File (PEP 639)."""
_MAX_METADATA = 16 << 20


def auditwheels_document(wheel: Path) -> bytes | None:
    """Return the document that auditwheel wrote into a wheel before we repair it; None if there is none."""
    name = f"{info_folder(wheel)}/sboms/{_AUDITWHEEL}"
    with zipfile.ZipFile(wheel) as bundle:
        return bundle.read(name) if name in bundle.namelist() else None


def describe_contents(wheel: Path, folder: Path, contents: Contents, *, kept: bytes | None) -> tuple[Path, str]:
    """Return a copy of a wheel that says what it is made of, and the path of its document.

    auditwheel's own document, which does not know all libraries, is left out; those that the wheel had before stay.

    Args:
        wheel: The repaired wheel, with its final tags.
        folder: A folder for the copy.
        contents: What others made.
        kept: The document that auditwheel wrote before our repair.
    """
    info = info_folder(wheel)
    theirs = f"{info}/sboms/{_AUDITWHEEL}"
    with zipfile.ZipFile(wheel) as bundle:
        names = frozenset(bundle.namelist())
        metadata = bundle.read(f"{info}/METADATA")
        text, moved = declare_licenses(metadata, sorted(contents.texts), names=names, info=info)
        added = {new: bundle.read(old) for old, new in moved.items()}
    added |= {f"{info}/licenses/{name}": content for name, content in sorted(contents.texts.items())}
    dropped = set(moved) | ({theirs} & names if kept is None else set())
    left = names - dropped
    others = sorted(one.removeprefix(f"{info}/") for one in left if one.startswith(f"{info}/sboms/") and one[-1] != "/")
    place = _free_place(f"{info}/sboms/", left)
    added[place] = write_document(wheel.name, metadata, contents, others=others).encode()
    changed = {f"{info}/METADATA": text, **{name: added.pop(name) for name in list(added) if name in names}}
    if kept is not None and theirs in names:
        changed[theirs] = kept
    say(f"{place}: {len(contents.components)} components, {len(contents.texts)} license texts")
    return rewrite_wheel(wheel, folder, changed, dropped, added), place


def write_document(filename: str, metadata: bytes, contents: Contents, *, others: Sequence[str] = ()) -> str:
    """Return the CycloneDX document of a wheel.

    Args:
        filename: The wheel's file name.
        metadata: Its METADATA.
        contents: What others made.
        others: Documents of the wheel's own project, as paths from its ``.dist-info`` folder.
    """
    fields = _fields(metadata)
    name, version = (fields.get(key, [b""])[0].decode(errors="replace").strip() for key in (b"name", b"version"))
    subject = {
        "type": "library",
        "bom-ref": "wheel",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{quoted(name.replace('_', '-').lower())}@{quoted(version)}?file_name={quoted(filename)}",
    }
    components, grafted = contents.components, contents.grafted
    content = {
        "metadata": {"tools": {"components": [{"type": "application", "name": "wheelyard"}]}, "component": subject},
        "components": [_component(one, grafted) for one in components],
        "dependencies": _dependencies(components, grafted),
        # What the sdist's authors copied into their own sources is known to them alone.
        "compositions": [{"aggregate": "incomplete", "assemblies": ["wheel"]}],
        **({"externalReferences": [{"type": "bom", "url": quoted_path(one)} for one in others]} if others else {}),
    }
    serial = uuid.uuid5(_NAMESPACE, json.dumps(content, sort_keys=True))
    head = {"bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": f"urn:uuid:{serial}", "version": 1}
    return json.dumps({**head, **content}, indent=1) + "\n"


def quoted_path(path: str) -> str:
    """Return a relative path as a URL."""
    return "/".join(quoted(part) for part in path.split("/"))


def _component(one: Component, grafted: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    properties = {"wheelyard:kind": [one.kind], "wheelyard:license-file": [f"licenses/{n}" for n in one.license_files]}
    if one.source:
        properties["wheelyard:source"] = [f"{one.source} {one.source_version or ''}".rstrip()]
    if one.kind == "static":
        properties["wheelyard:static-library"] = list(one.files)
    files = [_file(entry) for entry in grafted if entry["path"] in one.files] if one.kind == "grafted" else []
    return {
        "type": "library",
        "bom-ref": _reference(one),
        "name": one.name,
        **({"version": one.version} if one.version else {}),
        **({"hashes": [{"alg": "SHA-256", "content": one.sha256}]} if one.sha256 else {}),
        "licenses": [{"expression": one.license} if one.license else {"license": {"name": "NOASSERTION"}}],
        "purl": one.purl,
        **({"components": files} if files else {}),
        "properties": [{"name": name, "value": value} for name, values in properties.items() for value in values],
    }


def _reference(one: Component) -> str:
    """Return the component's name in its document; a package may be both grafted and linked statically."""
    return f"{one.kind}:{one.purl}"


def _file(entry: Mapping[str, Any]) -> dict[str, Any]:
    properties = [
        {"name": f"wheelyard:{key.replace('_', '-')}", "value": entry[key]}
        for key in ("soname", "origin", "origin_sha256")
        if entry[key]
    ]
    return {
        "type": "file",
        "bom-ref": f"file:{entry['path']}",
        "name": entry["path"],
        "hashes": [{"alg": "SHA-256", "content": entry["sha256"]}],
        "properties": properties,
    }


def _dependencies(components: Sequence[Component], grafted: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what depends on what: what links to a grafted library, and the wheel on everything else."""
    owner = {path: _reference(one) for one in components if one.kind == "grafted" for path in one.files}
    by_name = {entry["soname"]: owner[entry["path"]] for entry in grafted if entry["path"] in owner}
    needs: dict[str, set[str]] = {"wheel": set(), **{_reference(one): set() for one in components}}
    for entry in grafted:
        if entry["path"] in owner:
            for user in entry["needed_by"]:
                needs[by_name.get(user, "wheel")].add(owner[entry["path"]])
    needed = {one for user, ones in needs.items() for one in ones if one != user}
    needs["wheel"] |= {_reference(one) for one in components} - needed
    return [
        {"ref": ref, **({"dependsOn": sorted(ones)} if (ones := found - {ref}) else {})} for ref, found in needs.items()
    ]


def declare_licenses(
    metadata: bytes, files: Iterable[str], *, names: Iterable[str], info: str
) -> tuple[bytes, dict[str, str]]:
    """Return METADATA that names further license files, and members that must move for it, as new paths by old ones.

    License-File came with metadata 2.4, which wants the files in ``licenses/``. Older backends write the field too, and
    have the files in the ``.dist-info`` folder itself: those move. If a file is not there, METADATA stays as it is.
    """
    head, fields = _head(metadata), _fields(metadata)
    version = _version(fields.get(b"metadata-version", [b""])[0])
    declared = [one.decode(errors="replace").strip() for one in fields.get(b"license-file", [])]
    wanted = [one for one in files if one not in declared]
    members = frozenset(names)
    moved = {}
    if version < _NEW_METADATA:
        moved = {
            f"{info}/{one}": f"{info}/licenses/{one}" for one in declared if f"{info}/licenses/{one}" not in members
        }
    if not wanted or version[0] != 2 or not set(moved) <= members or len(metadata) > _MAX_METADATA:  # noqa: PLR2004
        return metadata, {}
    newline = b"\r\n" if b"\r\n" in head else b"\n"
    if version < _NEW_METADATA:
        head = re.sub(rb"(?im)^(Metadata-Version:[ \t]*)[0-9.]+", rb"\g<1>2.4", head, count=1)
    lines = b"".join(b"License-File: " + one.encode() + newline for one in wanted)
    ended = head if head.endswith(newline) else head + newline
    return ended + lines + metadata[len(_head(metadata)) :], moved


def _head(metadata: bytes) -> bytes:
    """Return the headers, with the end of the last line."""
    ends = (at + len(end) // 2 for end in (b"\n\n", b"\r\n\r\n") if (at := metadata.find(end)) >= 0)
    return metadata[: min(ends, default=len(metadata))]


def _fields(metadata: bytes) -> dict[bytes, list[bytes]]:
    fields: dict[bytes, list[bytes]] = {}
    for name, value in _FIELD.findall(_head(metadata)):
        fields.setdefault(name.lower(), []).append(value)
    return fields


def _version(text: bytes) -> tuple[int, ...]:
    numbers = text.decode(errors="replace").strip().split(".")
    known = len(numbers) == 2 and all(one.isdecimal() and len(one) < 4 for one in numbers)  # noqa: PLR2004
    return tuple(int(one) for one in numbers) if known else (0, 0)


def _free_place(folder: str, names: Iterable[str]) -> str:
    """Return a path for our document; a wheel that we repaired before, and that was brought again, has one already."""
    taken = frozenset(names)
    number, place = 1, f"{folder}{_OURS}.cdx.json"
    while place in taken:
        number += 1
        place = f"{folder}{_OURS}-{number}.cdx.json"
    return place
