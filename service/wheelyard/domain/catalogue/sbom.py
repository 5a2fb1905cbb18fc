"""The contents of an image as a CycloneDX 1.6 document. Equal contents give equal bytes.

Written by hand, because an image only needs components with a package URL, and the library for CycloneDX has five more
dependencies. https://cyclonedx.org/docs/1.6/json/, https://github.com/package-url/purl-spec
"""

import datetime as dt
import json
import re
import uuid
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from wheelyard.domain.catalogue.archive import ArchiveDate
from wheelyard.domain.catalogue.packages import InstalledPackage

_ARCHIVE: Final = "wheelyard:archive-date:"
_SYSTEM: Final = re.compile(
    r"pkg:(?P<kind>deb|rpm|apk)/(?P<distribution>[^/]+)/[^?]+\?arch=(?P<architecture>[^&]+)&distro=(?P<suite>.+)"
)
_NAMESPACE: Final = uuid.UUID("6d1f0a0e-8a5b-5d0b-9d5e-6a1b1f3c9d11")


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageContent:
    """Everything in an image that has a name and a version."""

    name: str
    """The image's name, such as ``wheelyard/runtime-bookworm-3.13``."""
    version: str
    """Digest of its definition."""
    distribution: str
    """Its id in /etc/os-release, such as ``debian``."""
    suite: str
    packages: tuple[InstalledPackage, ...]
    pythons: tuple[tuple[str, str], ...] = ()
    """Full version and source sha256 of each CPython."""
    tools: tuple[tuple[str, str, str], ...] = ()
    """Project, version and wheel sha256 of each tool."""
    source_date_epoch: int = 0
    archive_dates: tuple[ArchiveDate, ...] = ()
    """State of each archive behind the base image."""
    package_url: str = "deb"
    """Type of the system packages' URLs: ``deb``, ``rpm`` or ``apk``."""


def write_sbom(content: ImageContent) -> str:
    """Return the document."""
    components = [
        *(_system_package(content, package) for package in content.packages),
        *(
            _component("cpython", version, f"pkg:generic/cpython@{version}", sha256)
            for version, sha256 in content.pythons
        ),
        *(_component(name, version, f"pkg:pypi/{name}@{version}", sha256) for name, version, sha256 in content.tools),
    ]
    made = dt.datetime.fromtimestamp(content.source_date_epoch, tz=dt.UTC)
    subject = {"type": "container", "bom-ref": "image", "name": content.name, "version": content.version}
    dates = [{"name": f"{_ARCHIVE}{one.source}", "value": one.text} for one in sorted(content.archive_dates)]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, json.dumps([subject, components, dates], sort_keys=True))}",
        "version": 1,
        "metadata": {
            "timestamp": made.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": subject,
            "properties": dates,
        },
        "components": components,
    }
    return json.dumps(document, indent=1) + "\n"


def read_sbom_content(text: str) -> ImageContent:
    """Parse a document of ``write_sbom``."""
    document = json.loads(text)
    components: list[dict[str, Any]] = document["components"]
    metadata = document["metadata"]
    system = [(one, match) for one in components if (match := _SYSTEM.fullmatch(one["purl"]))]
    return ImageContent(
        name=metadata["component"]["name"],
        version=metadata["component"]["version"],
        distribution=system[0][1]["distribution"] if system else "",
        suite=system[0][1]["suite"] if system else "",
        package_url=system[0][1]["kind"] if system else "deb",
        packages=tuple(
            InstalledPackage(name=one["name"], version=one["version"], architecture=match["architecture"])
            for one, match in system
        ),
        pythons=tuple(
            (one["version"], _sha256(one)) for one in components if one["purl"].startswith("pkg:generic/cpython@")
        ),
        tools=tuple(
            (one["name"], one["version"], _sha256(one)) for one in components if one["purl"].startswith("pkg:pypi/")
        ),
        source_date_epoch=int(dt.datetime.fromisoformat(metadata["timestamp"]).timestamp()),
        archive_dates=tuple(
            ArchiveDate(source=one["name"].removeprefix(_ARCHIVE), date=dt.datetime.fromisoformat(one["value"]))
            for one in metadata.get("properties", ())
        ),
    )


def _sha256(component: dict[str, Any]) -> str:
    return str(component["hashes"][0]["content"]) if "hashes" in component else ""


def _system_package(content: ImageContent, package: InstalledPackage) -> dict[str, Any]:
    where = f"arch={package.architecture}&distro={content.suite}"
    name, version = quote(package.name, safe=""), quote(package.version, safe="")
    return _component(
        package.name, package.version, f"pkg:{content.package_url}/{content.distribution}/{name}@{version}?{where}"
    )


def _component(name: str, version: str, purl: str, sha256: str = "") -> dict[str, Any]:
    component: dict[str, Any] = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    if sha256:
        component["hashes"] = [{"alg": "SHA-256", "content": sha256}]
    return component
