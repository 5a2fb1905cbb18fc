"""What a recipe says about a release reaches the build, or refuses the request before anything is queued."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.fakes.builds import MemoryBuilds
from tests.fakes.images import MemoryRecipes
from tests.fakes.records import MemoryState
from tests.fakes.sources import MemorySourceIndex
from tests.unit.recipe_texts import EVERY_KEY, FILES, HEAD, parse_recipe

from wheelyard.domain.builds.records import BuildFilter
from wheelyard.domain.catalogue.catalogue import parse_catalogue
from wheelyard.errors import NetworkRefusedError, PackagesMissingError, ReleaseUnsupportedError
from wheelyard.resources import data_path
from wheelyard.usecases.request_build import BuilderFacts, BuildRequest, RequestBuild


class Harness:
    def __init__(self, folder: Path, text: str, *, network_for_recipes: bool = False) -> None:
        catalogue = parse_catalogue((data_path("builders") / "builders.toml").read_text(encoding="utf-8"))
        source = MemorySourceIndex(folder)
        source.add("demo-1.0.tar.gz", b"sdist")
        self.builds = MemoryBuilds(MemoryState(clock=lambda: datetime.now(UTC)))
        facts = BuilderFacts(
            catalogue=catalogue,
            definitions={
                (choice.policy.architecture, choice.suite, choice.python): "d" for choice in catalogue.builders()
            },
            agent_digest="a",
            build_number=1,
            network_for_recipes=network_for_recipes,
        )
        recipes = MemoryRecipes(parse_recipe(text, source="demo.toml", files=FILES))
        self.request = RequestBuild(source=source, store=self.builds, recipes=recipes, facts=facts)

    @staticmethod
    def ask(glibc: str) -> BuildRequest:
        platform = f"manylinux_{glibc}_x86_64"
        return BuildRequest(requirement="demo", python="3.13", platform=platform, requested_by="me")


async def test_release_that_a_suite_cannot_build_is_refused_with_the_reason_and_the_suites_that_can(
    tmp_path: Path,
) -> None:
    reason = "PROJ 9.4 is wanted, and the suite has 9.1."
    harness = Harness(tmp_path, f"{HEAD}[[rule]]\nwhen.suite = ['bookworm', 'bullseye']\nunsupported = '{reason}'")
    with pytest.raises(ReleaseUnsupportedError) as caught:
        await harness.request(harness.ask("2_36"))
    assert str(caught.value) == (
        "demo 1.0 cannot be built for Python 3.13 on manylinux_2_36_x86_64 on bookworm: PROJ 9.4 is wanted, and the "
        "suite has 9.1. Request a platform of trixie."
    )
    assert (await harness.builds.list_builds(BuildFilter())).builds == ()
    assert (await harness.request(harness.ask("2_41"))).build.order.builder == "trixie"


async def test_release_that_no_suite_can_build_is_refused_without_a_suite_to_ask_for(tmp_path: Path) -> None:
    harness = Harness(tmp_path, f"{HEAD}[[rule]]\nwhen.version = '<2'\nunsupported = 'it needs a sound card'")
    with pytest.raises(
        ReleaseUnsupportedError, match=r"it needs a sound card\. No suite of this Wheelyard can build it"
    ):
        await harness.request(harness.ask("2_36"))


@pytest.mark.parametrize(
    "rule",
    ["toolchains = ['rust>=9999']", "network = true", "dnf = ['demo-devel']"],
)
async def test_suite_that_would_refuse_the_release_for_another_reason_is_not_suggested(
    tmp_path: Path, rule: str
) -> None:
    unsupported = "[[rule]]\nwhen.suite = ['bookworm']\nunsupported = 'x'\n"
    harness = Harness(tmp_path, f"{HEAD}{unsupported}[[rule]]\nwhen.suite = ['trixie']\n{rule}")
    with pytest.raises(ReleaseUnsupportedError) as caught:
        await harness.request(harness.ask("2_36"))
    assert caught.value.others == ("bullseye",)


async def test_everything_that_a_recipe_says_goes_along_with_the_build(tmp_path: Path) -> None:
    harness = Harness(tmp_path, EVERY_KEY, network_for_recipes=True)
    order = (await harness.request(harness.ask("2_36"))).build.order
    assert order.recipe.patches[1].data == FILES["patches/two.patch"]
    assert (order.recipe.max_grafted, order.recipe.cpus, order.recipe.policy_floor) == (3, 1.5, "manylinux_2_28")
    assert order.recipe_digest == order.recipe.digest


async def test_recipe_that_asks_for_a_network_is_refused_unless_the_operator_has_one(tmp_path: Path) -> None:
    harness = Harness(tmp_path, f"{HEAD}[[rule]]\nnetwork = true")
    with pytest.raises(NetworkRefusedError, match="WHEELYARD_RECIPE_NETWORK"):
        await harness.request(harness.ask("2_36"))
    assert (await harness.builds.list_builds(BuildFilter())).builds == ()


async def test_recipe_without_packages_for_the_builders_package_manager_is_refused(tmp_path: Path) -> None:
    harness = Harness(tmp_path, f"{HEAD}[[rule]]\ndnf = ['demo-devel']\napk = ['demo-dev']")
    with pytest.raises(PackagesMissingError) as caught:
        await harness.request(harness.ask("2_36"))
    assert caught.value.summary == (
        "The recipe names system packages for dnf and apk, but none for apt, the package manager of bookworm."
    )
