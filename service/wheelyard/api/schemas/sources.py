"""Models of what a wheel was made from."""

from typing import Final, Self

from wheelyard.api.schemas.base import View
from wheelyard.api.schemas.links import IndexLinks
from wheelyard.api.schemas.wheels import ComponentView
from wheelyard.domain.builds.components import Component, ComponentKind, SourcePackage
from wheelyard.usecases.browse_index import WheelSources

_CRATES: Final = "https://static.crates.io/crates"
_SNAPSHOT: Final = "https://snapshot.debian.org/package"


class SourceFileView(View):
    """A file of a source."""

    name: str
    url: str
    sha256: str
    size_bytes: int | None
    """Null if it is not known."""


class SourceView(View):
    """An exact source of a wheel: its sdist, a source package of the builder's distribution, or a crate."""

    kind: str
    """`sdist`, `package` or `crate`."""
    name: str
    version: str
    files: tuple[SourceFileView, ...]
    """Its files, as the signed index of the archive named them; empty if it cannot be fetched."""
    problem: str | None = None
    """Why it has no files; null if it has."""


class WheelSourcesView(View):
    """What a wheel was made from."""

    filename: str
    sbom: str | None
    """Path of its SBOM (CycloneDX, PEP 770) in the wheel; null if it has none of ours."""
    components: tuple[ComponentView, ...]
    """What others made and it carries."""
    sources: tuple[SourceView, ...]

    @classmethod
    def of(cls, found: WheelSources, links: IndexLinks, *, has_sdist: bool) -> Self:
        """Return the view; an sdist that our index has is fetched from there."""
        made = found.made
        components = made.components if made else ()
        sdists = [_sdist(found, links, has_sdist=has_sdist)] if found.sdist else []
        crates = [_crate(one) for one in components if one.kind is ComponentKind.CRATE]
        return cls(
            filename=found.wheel.filename,
            sbom=made.sbom if made else None,
            components=tuple(map(ComponentView.model_validate, components)),
            sources=(*sdists, *map(_package, found.packages), *crates),
        )


def _sdist(found: WheelSources, links: IndexLinks, *, has_sdist: bool) -> SourceView:
    sdist, wheel = found.sdist, found.wheel
    if sdist is None:
        raise AssertionError("it has an sdist")
    origin = sdist.file.address if sdist.file else sdist.url
    url = links.file(sdist.filename) if has_sdist else origin
    reachable = url.startswith(("http://", "https://")) and bool(sdist.sha256)
    file = SourceFileView(name=sdist.filename, url=url, sha256=sdist.sha256, size_bytes=sdist.size_bytes)
    return SourceView(
        kind="sdist",
        name=wheel.project,
        version=wheel.version,
        files=(file,) if reachable else (),
        problem=None if reachable else "It was made of what a caller sent or of a repository, and is not published.",
    )


def _package(package: SourcePackage) -> SourceView:
    gone = (
        f"The archive's index does not have this version. {_SNAPSHOT}/{package.name}/{package.version}/ has every "
        "version that Debian ever had."
    )
    return SourceView(
        kind="package",
        name=package.name,
        version=package.version,
        files=tuple(map(SourceFileView.model_validate, package.files)),
        problem=None if package.files else gone,
    )


def _crate(crate: Component) -> SourceView:
    name = f"{crate.name}-{crate.version}.crate"
    url = f"{_CRATES}/{crate.name}/{name}"
    files = (SourceFileView(name=name, url=url, sha256=crate.sha256, size_bytes=None),) if crate.sha256 else ()
    return SourceView(
        kind="crate",
        name=crate.name,
        version=crate.version,
        files=files,
        problem=None if files else "It has no checksum of a registry: its source is in the sdist.",
    )
