"""Values that tests of several parts start from."""

import hashlib
from datetime import UTC, datetime, timedelta

from wheelyard.domain.build import (
    BuildOrder,
    BuildRequirement,
    Failure,
    GraftedLibrary,
    SdistSource,
    Stage,
    StageTiming,
    Wheel,
)
from wheelyard.domain.recipe import EffectiveRecipe
from wheelyard.domain.target import Target

TARGET = Target.parse(python="3.13", platform="manylinux_2_36_x86_64")
RECIPE = EffectiveRecipe(apt=("libyaml-dev",), env=(("CFLAGS", "-O2"),), test_imports=("yaml",))
BEGINNING = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class ManualClock:
    """A clock that goes on only when a test says so."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def sample_order(*, key: str = "k1", project: str = "pyyaml") -> BuildOrder:
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
        builder="bookworm",
        recipe_digest=RECIPE.digest,
        recipe=RECIPE,
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
                source_package="libyaml",
            ),
        ),
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
