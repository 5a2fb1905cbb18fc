"""Which toolchains of the catalogue serve a recipe on a suite, decided before anything is built. Must not do I/O."""

from collections.abc import Iterator, Sequence

from packaging.version import Version

from wheelyard.domain.catalogue.catalogue import Catalogue
from wheelyard.domain.toolchain import ToolchainName, ToolchainNeed
from wheelyard.domain.untrusted.versions import read_version
from wheelyard.errors import ToolchainTooOldError


def choose_toolchains(catalogue: Catalogue, texts: Sequence[str], *, suite: str) -> tuple[ToolchainName, ...]:
    """Name the toolchains that a recipe asks for; raises ToolchainTooOldError for the first that will not do."""
    needs = [ToolchainNeed.parse(text) for text in texts]
    for need in needs:
        have = _version_in(catalogue, need.name, suite)
        if have is None or not need.is_met_by(have):
            others = tuple(_suites_that_meet(catalogue, need))
            raise ToolchainTooOldError(
                toolchain=need.name.value,
                suite=suite,
                have=str(have) if have else None,
                want=str(need),
                others=others,
            )
    return tuple(need.name for need in needs)


def _version_in(catalogue: Catalogue, name: ToolchainName, suite: str) -> Version | None:
    toolchain = catalogue.toolchain.get(name)
    entry = toolchain.suite.get(suite) if toolchain else None
    if entry is None or not entry.packages_for(catalogue.suite[suite].package_manager):
        return None
    return read_version(entry.version)


def _suites_that_meet(catalogue: Catalogue, need: ToolchainNeed) -> Iterator[str]:
    for suite in catalogue.suite:
        version = _version_in(catalogue, need.name, suite)
        if version is not None and need.is_met_by(version):
            yield suite
