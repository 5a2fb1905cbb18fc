"""Images as the pages show them, for tests."""

from datetime import UTC, datetime

from wheelyard.domain.catalogue.packages import InstalledPackage, PackageChange
from wheelyard.domain.catalogue.sbom import ImageContent
from wheelyard.domain.catalogue.status import BuilderStatus, ImageSummary
from wheelyard.domain.catalogue.upkeep import ImageRefresh, RefreshReport


def sample_image() -> ImageSummary:
    return ImageSummary(
        id="sha256:abc",
        name="wheelyard/builder-bookworm:1",
        role="builder",
        suite="bookworm",
        python="3.13.5",
        size_bytes=1 << 30,
        created=datetime.now(UTC),
        revision="",
        current=True,
        host="builder-1",
    )


def sample_builder(image: ImageSummary) -> BuilderStatus:
    return BuilderStatus(
        suite=image.suite,
        kind="mmdebstrap",
        policy="manylinux_2_36",
        architectures=("x86_64",),
        pythons=("3.13",),
        warning="",
        images=(image,),
        pending=None,
        refreshes=(sample_refresh(image),),
    )


def sample_refresh(image: ImageSummary) -> RefreshReport:
    """Tell of an image that was made anew, of one that could not be, and of one that needed nothing."""
    changes = (
        PackageChange(package="libssl3", from_version="3.0.17-1", to_version="3.0.17-2", is_security=True),
        PackageChange(package="tzdata", from_version="2026a-0", to_version="2026b-0"),
        PackageChange(package="libnew1", from_version="", to_version="1"),
    )
    return RefreshReport(
        at=datetime.now(UTC),
        host=image.host,
        images=(
            ImageRefresh(image=image.name, pending=changes[:2], changes=changes, refreshed=True),
            ImageRefresh(image="wheelyard/environment:2", pending=changes[:1], problem="E: Unable to locate libgone"),
            ImageRefresh(image="wheelyard/environment:3", pending=()),
        ),
    )


def sample_content(image: ImageSummary) -> ImageContent:
    """List more packages than a page shows."""
    return ImageContent(
        name=image.name,
        version="1",
        distribution="debian",
        suite=image.suite,
        packages=tuple(InstalledPackage(name=f"lib{n}", version="1", architecture="amd64") for n in range(900)),
        tools=(("auditwheel", "6.8.1", "ab" * 32),),
    )
