"""What others made and a wheel carries: grafted libraries, statically linked ones, and crates, with their licenses.

The grafted libraries are those of the ledger, so that none can be missing. What was linked statically is known as far
as the linkers of the build container said so (``linked_parts``); which package an archive belongs to, and its license,
is found out here, where the project's code never ran.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from wheelyard_agent.copyright_file import read_licenses
from wheelyard_agent.debian import Owner
from wheelyard_agent.job import say
from wheelyard_agent.owners import find_owners

_DOCUMENTS = Path("/usr/share/doc")
_COMMON = Path("/usr/share/common-licenses")
_OS_RELEASE = Path("/etc/os-release")
_COMMON_NAME = re.compile(rb"/usr/share/common-licenses/([A-Za-z0-9][A-Za-z0-9.+-]{0,40})")
_UNSAFE = re.compile(r"[^A-Za-z0-9._+~-]+")
_MAX_TEXT = 4 << 20
_MAX_TEXTS = 32 << 20
_MAX_ARCHIVES = 500

Texts = dict[str, bytes]
"""License texts by their path below ``.dist-info/licenses/``."""


class Component(NamedTuple):
    """Something that others made, in one version."""

    kind: str
    """How it came into the wheel: ``grafted``, ``static`` or ``crate``."""
    name: str
    version: str
    purl: str
    license: str | None
    """An SPDX expression; None if it is not known."""
    license_files: tuple[str, ...] = ()
    """Paths below ``.dist-info/licenses/``."""
    source: str | None = None
    """The name of its source package."""
    source_version: str | None = None
    sha256: str | None = None
    """Digest of a crate's file."""
    files: tuple[str, ...] = ()
    """Paths of grafted libraries in the wheel, or of the archives that were linked statically."""


class Contents(NamedTuple):
    """What others made of a wheel."""

    components: Sequence[Component]
    """Sorted."""
    texts: Texts
    grafted: Sequence[Mapping[str, Any]] = ()
    """The ledger of grafted libraries."""


class Distribution(NamedTuple):
    """The distribution of this image."""

    name: str
    suite: str

    @classmethod
    def here(cls) -> Distribution:
        """Read the image's ``/etc/os-release``."""
        fields = dict(line.partition("=")[::2] for line in _read_text(_OS_RELEASE).splitlines())
        name, suite = (fields.get(key, "").strip("\"'") for key in ("ID", "VERSION_CODENAME"))
        return cls(name or "linux", suite)

    def purl(self, owner: Owner) -> str:
        """Return a package URL (https://github.com/package-url/purl-spec)."""
        qualifiers = {"arch": owner.architecture, "distro": self.suite}
        where = "&".join(f"{key}={quoted(value)}" for key, value in qualifiers.items() if value)
        name = f"pkg:deb/{quoted(self.name)}/{quoted(owner.package)}@{quoted(owner.package_version)}"
        return f"{name}?{where}" if where else name


def quoted(text: str) -> str:
    """Return a part of a package URL; its colons stay."""
    return quote(text, safe=":")


def find_components(
    grafted: Sequence[Mapping[str, Any]],
    archives: Sequence[str],
    crates: Sequence[Mapping[str, Any]],
    crate_texts: Path | None,
    *,
    env: Mapping[str, str],
) -> Contents:
    """Return what others made of a wheel, and the license texts.

    Args:
        grafted: The ledger of grafted libraries.
        archives: Paths of static libraries, as the build container named them.
        crates: Name, version, digest, license and license files of each crate.
        crate_texts: A zip file of the crates' license files.
        env: The environment of the tools.
    """
    texts: Texts = {}
    paths = [Path(one["origin"]) for one in grafted if one["origin"]]
    static = [Path(one) for one in archives[:_MAX_ARCHIVES] if one.startswith("/") and Path(one).is_file()]
    owners = find_owners([*paths, *static], env=env)
    distribution = Distribution.here()
    found: dict[tuple[str, str], Component] = {}
    for entry in grafted:
        origin = entry["origin"]
        owner = owners.get(Path(origin)) if origin else None
        one = _owned("grafted", owner, distribution, texts) if owner else _unowned(entry)
        _join(found, one._replace(files=(entry["path"],)))
    for path in static:
        if owner := owners.get(path):
            _join(found, _owned("static", owner, distribution, texts)._replace(files=(str(path),)))
        else:
            say(f"{path} was linked statically, and no package of the builder owns it")
    for crate in _crates(crates, crate_texts, texts):
        _join(found, crate)
    return Contents(sorted(found.values(), key=lambda one: (one.kind, one.purl)), texts, grafted)


def _join(found: dict[tuple[str, str], Component], one: Component) -> None:
    key = (one.kind, one.purl)
    files = (*found[key].files, *one.files) if key in found else one.files
    found[key] = one._replace(files=tuple(sorted(set(files))))


def _owned(kind: str, owner: Owner, distribution: Distribution, texts: Texts) -> Component:
    content, names = _copyright(owner, distribution, texts)
    source, _, version = owner.source_package.partition(" ")
    return Component(
        kind=kind,
        name=owner.package,
        version=owner.package_version,
        purl=distribution.purl(owner),
        license=read_licenses(content.decode(errors="replace")),
        license_files=names,
        source=source or None,
        source_version=version or None,
    )


def _unowned(entry: Mapping[str, Any]) -> Component:
    """Return the component of a grafted library that no package owns: a hook or a source of the recipe made it."""
    digest = entry["origin_sha256"] or entry["sha256"]
    purl = f"pkg:generic/{quoted(entry['soname'])}?checksum=sha256:{digest}"
    return Component(kind="grafted", name=entry["soname"], version="", purl=purl, license=None, sha256=digest)


def _copyright(owner: Owner, distribution: Distribution, texts: Texts) -> tuple[bytes, tuple[str, ...]]:
    """Return the content of a package's copyright file, and the paths of it and of the texts that it refers to."""
    version = owner.package_version.rpartition(":")[2]
    name = f"{_plain(distribution.name)}/{_plain(owner.package)}_{_plain(version)}/copyright"
    # Packages of one source share a folder by a link, which must not lead out of the folders of documents.
    path = (_DOCUMENTS / owner.package / "copyright").resolve()
    content = _read(path) if path.is_relative_to(_DOCUMENTS) else None
    if content is None:
        say(f"{owner.package} has no copyright file that can be read, so its license is not known")
        return b"", ()
    names = [name] if _add(texts, name, content) else []
    for common in sorted({match.decode().rstrip(".") for match in _COMMON_NAME.findall(content)}):
        text = _read(_COMMON / common)
        if text is not None and _add(texts, f"common/{common}", text):
            names.append(f"common/{common}")
    return content, tuple(names)


def _crates(crates: Sequence[Mapping[str, Any]], texts_file: Path | None, texts: Texts) -> Iterable[Component]:
    """Yield the crates, whose texts are in a zip file of the build container."""
    known = _crate_texts(texts_file, {one for crate in crates for one in crate["license_files"]})
    for crate in crates:
        names = [f"crates/{one}" for one in crate["license_files"] if one in known]
        kept = tuple(name for name in names if _add(texts, name, known[name.removeprefix("crates/")]))
        yield Component(
            kind="crate",
            name=crate["name"],
            version=crate["version"],
            purl=f"pkg:cargo/{quoted(crate['name'])}@{quoted(crate['version'])}",
            license=crate["license"],
            license_files=kept,
            sha256=crate["sha256"],
        )


def _crate_texts(path: Path | None, wanted: Collection[str]) -> Texts:
    """Return the wanted members of a zip file, which is untrusted."""
    if path is None:
        return {}
    texts: Texts = {}
    left = _MAX_TEXTS
    try:
        with zipfile.ZipFile(path) as bundle:
            for member in bundle.infolist():
                left -= member.file_size
                if member.filename in wanted and _is_safe(member.filename) and member.file_size >= 0 and left >= 0:
                    texts[member.filename] = bundle.read(member)
    except (zipfile.BadZipFile, zlib.error, OSError, RuntimeError, NotImplementedError, ValueError) as error:
        say(f"the licenses of crates cannot be read: {error}")
    return texts


def _is_safe(name: str) -> bool:
    parts = name.split("/")
    return bool(parts) and all(part == _plain(part) and part.strip(".") for part in parts)


def _add(texts: Texts, name: str, content: bytes) -> bool:
    """Add a text, if all together are not too large; return whether it is there."""
    if name not in texts and sum(map(len, texts.values())) + len(content) > _MAX_TEXTS:
        say(f"licenses/{name} is left out: the texts of all licenses together are too large")
        return False
    texts[name] = content
    return True


def _plain(text: str) -> str:
    return _UNSAFE.sub("_", text)


def _read(path: Path) -> bytes | None:
    """Return a file's content; None if there is none, or it is larger than any license."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_TEXT + 1)
    except OSError:
        return None
    return content if len(content) <= _MAX_TEXT else None


def _read_text(path: Path) -> str:
    return (_read(path) or b"").decode(errors="replace")
