"""uv as the resolver of releases, against an index of our own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version
from tests.integration.folder_index import FolderIndex, folder_index

from wheelyard.adapters.resolver.releases import UvReleaseResolver
from wheelyard.adapters.resolver.uv import UvResolverOptions
from wheelyard.domain.dependencies.files import StatedRelease
from wheelyard.domain.packaging.target import Target
from wheelyard.errors import IndexUnavailableError, RequirementsUnsatisfiableError

OLD = Target.parse(python="3.11", platform="manylinux_2_31_x86_64")
NEW = Target.parse(python="3.13", platform="manylinux_2_36_x86_64")


@pytest.fixture
def index(tmp_path: Path) -> Iterator[FolderIndex]:
    with folder_index(tmp_path / "index") as index:
        (tmp_path / "index").mkdir()
        yield index


def resolver_on(url: str, cache_dir: Path) -> UvReleaseResolver:
    return UvReleaseResolver(UvResolverOptions(cache_dir=cache_dir, environment=os.environ, index_url=url))


@pytest.fixture
def resolver(index: FolderIndex, tmp_path: Path) -> UvReleaseResolver:
    return resolver_on(index.url, tmp_path / "cache")


async def resolve(
    resolver: UvReleaseResolver,
    *requirements: str,
    target: Target,
    limits: tuple[str, ...] = (),
    stated: tuple[StatedRelease, ...] = (),
) -> dict[str, str]:
    releases = await resolver.resolve(requirements, constraints=limits, stated=stated, target=target)
    return {release.project: str(release.version) for release in releases}


async def test_what_releases_need_is_resolved_for_each_target(index: FolderIndex, resolver: UvReleaseResolver) -> None:
    index.add_wheel("app-1.0-py3-none-any.whl", 'Requires-Dist: helper; python_version < "3.12"')
    index.add_wheel("helper-2.0-py3-none-any.whl")
    assert await resolve(resolver, "app", target=OLD) == {"app": "1.0", "helper": "2.0"}
    assert await resolve(resolver, "app", target=NEW) == {"app": "1.0"}


async def test_constraints_limit_what_is_chosen(index: FolderIndex, resolver: UvReleaseResolver) -> None:
    for version in ("1.0", "2.0"):
        index.add_wheel(f"app-{version}-py3-none-any.whl")
    assert await resolve(resolver, "app", target=NEW) == {"app": "2.0"}
    assert await resolve(resolver, "app", target=NEW, limits=("app<2", "never-asked-for==1")) == {"app": "1.0"}


async def test_release_that_has_wheels_for_newer_glibc_only_is_not_chosen(
    index: FolderIndex, resolver: UvReleaseResolver
) -> None:
    index.add_wheel("app-1.0-py3-none-any.whl")
    index.add_wheel("app-2.0-cp311-abi3-manylinux_2_34_x86_64.whl")
    assert await resolve(resolver, "app", target=NEW) == {"app": "2.0"}
    assert await resolve(resolver, "app", target=OLD) == {"app": "1.0"}


async def test_sdist_without_a_wheel_brings_in_what_it_was_stated_to_need(
    index: FolderIndex, resolver: UvReleaseResolver, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    index.add_sdist("source", "1.0", f"open({str(ran)!r}, 'w')")
    index.add_wheel("helper-2.0-py3-none-any.whl")
    stated = StatedRelease(project=canonicalize_name("source"), version=Version("1.0"), requires=("helper",))
    found = await resolve(resolver, "source", target=NEW, stated=(stated,))
    assert found == {"source": "1.0", "helper": "2.0"}
    assert not ran.exists(), "no code of a project may run here"


async def test_without_pages_an_sdist_that_others_need_is_not_chosen_and_its_code_never_runs(
    index: FolderIndex, resolver: UvReleaseResolver, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    index.add_sdist("source", "1.0", f"open({str(ran)!r}, 'w')")
    index.add_wheel("app-1.0-py3-none-any.whl", "Requires-Dist: source")
    with pytest.raises(RequirementsUnsatisfiableError, match=r"source==1\.0 has no usable wheels"):
        await resolve(resolver, "app", target=NEW)
    assert not ran.exists()


async def test_contradiction_is_explained(index: FolderIndex, resolver: UvReleaseResolver) -> None:
    index.add_wheel("app-1.0-py3-none-any.whl", "Requires-Dist: helper>=3")
    index.add_wheel("helper-2.0-py3-none-any.whl")
    with pytest.raises(RequirementsUnsatisfiableError, match=r"3\.13.*helper>=3"):
        await resolve(resolver, "app", target=NEW)


async def test_project_that_is_not_there_is_named(resolver: UvReleaseResolver) -> None:
    with pytest.raises(RequirementsUnsatisfiableError, match="nothing-there"):
        await resolve(resolver, "nothing-there", target=NEW)


async def test_index_that_is_away_is_told_as_such(tmp_path: Path) -> None:
    with folder_index(tmp_path) as gone:
        url = gone.url
    with pytest.raises(IndexUnavailableError):
        await resolve(resolver_on(url, tmp_path / "cache"), "app", target=NEW)
