"""Values that tests of several parts start from."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from wheelyard.domain.builds.build import (
    BuildOrder,
    BuildRequirement,
    Failure,
    GraftedLibrary,
    HostLibraryNeed,
    SdistSource,
    SourceKind,
    Stage,
    StageTiming,
    Wheel,
)
from wheelyard.domain.builds.components import Component, ComponentKind, PackageSourceFile, SourcePackage
from wheelyard.domain.builds.git_source import GitOrigin
from wheelyard.domain.builds.queue import ResourceRequest
from wheelyard.domain.healing.findings import Finding, FindingKind
from wheelyard.domain.healing.healing import Healing, HealRound, Inference, InferenceSource
from wheelyard.domain.packaging.policy_reason import PolicyNeed, PolicyReason
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.recipes.effective import EffectiveRecipe, RecipeFile, SourceFile

TARGET = Target.parse(python="3.13", platform="manylinux_2_36_x86_64")
RECIPE = EffectiveRecipe(
    apt=("libyaml-dev",),
    env=(("CFLAGS", "-O2"),),
    config_settings=(("jobs", "2"), ("option", ("a", "b"))),
    sources=(SourceFile(url="http://files.example/a", sha256="0a" * 32, to="a"),),
    patches=(RecipeFile.of("1.patch", b"-\xff\0\n"),),
    max_grafted=0,
    cpus=1.5,
    test_imports=("yaml",),
)
BEGINNING = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class ManualClock:
    """A clock that only advances when a test says so."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def sample_order(
    *, key: str = "k1", project: str = "pyyaml", builder: str = "bookworm", demand: ResourceRequest | None = None
) -> BuildOrder:
    demand = demand or ResourceRequest()
    recipe = replace(RECIPE, cpus=demand.cpus, memory_bytes=demand.memory_bytes)
    return BuildOrder(
        key=hashlib.sha256(key.encode()).hexdigest(),
        requirement=f"{project}>=6",
        project=project,
        version="6.0.3",
        sdist=SdistSource(
            filename=f"{project}-6.0.3.tar.gz",
            url=f"memory://index/{project}-6.0.3.tar.gz",
            sha256="ab" * 32,
            size_bytes=130_960,
        ),
        target=TARGET,
        builder=builder,
        recipe_digest=recipe.digest,
        recipe=recipe,
    )


def commit_origin(*, commit: str = "0123456789abcdef0123456789abcdef01234567") -> GitOrigin:
    return GitOrigin(url="https://git.example/acme/demo", ref="v1.2", commit=commit, tag="v1.2")


def commit_order(*, key: str = "commit", origin: GitOrigin | None = None, commit: str | None = None) -> BuildOrder:
    """Give the order of a commit whose sdist is not made yet."""
    origin = origin or (commit_origin() if commit is None else commit_origin(commit=commit))
    source = SdistSource(filename="", url=str(origin), sha256="", size_bytes=None, kind=SourceKind.GIT, git=origin)
    return replace(sample_order(key=key, project="demo"), requirement=f"demo @ {origin}", version="0", sdist=source)


def sample_healing(project: str = "pyyaml") -> Healing:
    """Two packages were added, and one of them turned out to be needed."""
    needed, unused = (
        Inference(key="apt", value=value, source=InferenceSource.FAILURE, reason=f"{header} is in {value}")
        for value, header in (("libyaml-dev", "yaml.h"), ("zlib1g-dev", "zlib.h"))
    )
    finding = Finding(kind=FindingKind.HEADER, name="yaml.h", line="yaml.h: No such file or directory")
    return Healing(
        rounds=(HealRound(stage="build", findings=(finding,), added=(needed, unused)),),
        unused=(unused,),
        recipe=(
            f'schema = 1\nname = "{project}"\n\n# yaml.h is in libyaml-dev\n[[rule]]\n'
            'when.suite = ["bookworm"]\napt = ["libyaml-dev"]\n'
        ),
    )


def sample_wheel() -> Wheel:
    return Wheel(
        filename="pyyaml-6.0.3-1.bookworm-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        sha256="12" * 32,
        size_bytes=801_626,
        tag="cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64",
        tag_before_repair="cp313-cp313-linux_x86_64",
        policy="manylinux_2_17_x86_64",
        is_pure=False,
        extensions=("yaml._yaml",),
        grafted=(
            GraftedLibrary(
                soname="libyaml-0.so.2",
                path="pyyaml.libs/libyaml-0-1b2c3d4e.so.2.0.9",
                sha256="34" * 32,
                package="libyaml-0-2",
                package_version="0.2.5-1",
                source_package="libyaml 0.2.5-1",
                origin="/usr/lib/x86_64-linux-gnu/libyaml-0.so.2.0.9",
                origin_sha256="35" * 32,
                needed_by=("yaml/_yaml.abi3.so",),
                chain=("yaml/_yaml.abi3.so", "libyaml-0.so.2"),
            ),
            GraftedLibrary(
                soname="libexpat.so.1",
                path="pyyaml.libs/libexpat-5a6b7c8d.so.1.8.10",
                sha256="36" * 32,
                package="libexpat1",
                package_version="2.5.0-1",
                needed_by=("yaml/_yaml.abi3.so",),
                chain=("yaml/_yaml.abi3.so", "libexpat.so.1"),
                beyond_policy=True,
            ),
        ),
        components=(
            Component(
                kind=ComponentKind.GRAFTED,
                name="libyaml-0-2",
                version="0.2.5-1",
                purl="pkg:deb/debian/libyaml-0-2@0.2.5-1?arch=amd64&distro=bookworm",
                license="MIT",
                license_files=("debian/libyaml-0-2_0.2.5-1/copyright",),
                source="libyaml",
                source_version="0.2.5-1",
                files=("pyyaml.libs/libyaml-0-1b2c3d4e.so.2.0.9",),
            ),
            Component(
                kind=ComponentKind.CRATE,
                name="itoa",
                version="1.0.19",
                purl="pkg:cargo/itoa@1.0.19",
                license="MIT OR Apache-2.0",
                sha256="38" * 32,
            ),
        ),
        source_packages=(
            SourcePackage(
                name="libyaml",
                version="0.2.5-1",
                files=(
                    PackageSourceFile(
                        name="libyaml_0.2.5-1.dsc",
                        url="http://deb.example/debian/pool/main/liby/libyaml/libyaml_0.2.5-1.dsc",
                        sha256="39" * 32,
                        size_bytes=2071,
                    ),
                ),
            ),
            SourcePackage(name="expat", version="2.5.0-1"),
        ),
        sbom="pyyaml-6.0.3.dist-info/sboms/wheelyard.cdx.json",
        host_libraries=(
            HostLibraryNeed(soname="libglib-2.0.so.0", package="libglib2.0-0", reason="it has one main loop"),
        ),
        policy_reason=PolicyReason(
            policy="manylinux_2_17_x86_64",
            needs=(
                PolicyNeed(
                    file="yaml/_yaml.abi3.so",
                    grafted=None,
                    library="libc.so.6",
                    version="GLIBC_2.14",
                    symbols=("memcpy",),
                    more_symbols=2,
                    chain=("yaml/_yaml.abi3.so",),
                ),
            ),
            more_needs=0,
            lower="manylinux_2_5_x86_64",
        ),
        warnings=("It has no yaml._other.",),
        build_requirements=(BuildRequirement(filename="setuptools-80.9.0-py3-none-any.whl", sha256="56" * 32),),
        imported_modules=("_yaml", "yaml", "yaml._yaml"),
        builder_image="sha256:" + "78" * 32,
        runtime_image="sha256:" + "9a" * 32,
        url="http://127.0.0.1:3141/wheels/prod/+f/121/2121/pyyaml.whl",
        index_url="http://127.0.0.1:3141/wheels/prod/+simple/",
    )


def sample_failure() -> Failure:
    return Failure(
        stage=Stage.BUILD,
        code="build-failed",
        summary="pyyaml 6.0.3 did not build: the header yaml.h is missing.",
        hint="Add libyaml-dev to the recipe's apt list.",
        log_excerpt="ext/_yaml.h:2:10: fatal error: yaml.h: No such file or directory",
    )


def sample_timings() -> tuple[StageTiming, ...]:
    return (
        StageTiming(stage=Stage.RESOLVE, started_at=BEGINNING, seconds=0.25),
        StageTiming(stage=Stage.FETCH, started_at=BEGINNING + timedelta(seconds=1), seconds=1.5),
    )
