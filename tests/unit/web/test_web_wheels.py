"""The pages of projects and wheels: what installers would take, where a wheel comes from, what an operator does."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from tests.unit.recipe_texts import parse_recipe
from tests.unit.signing_samples import BUILDER, new_authority, new_key, sign
from tests.unit.web_harness import METADATA, SeenPage, WebHarness, furnish, web_harness
from tests.unit.wheel_harness import WheelHarness

from wheelyard.domain.builds.build import Proof, SourceKind
from wheelyard.domain.index.index import Level
from wheelyard.domain.index.wheels import Standing


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[WebHarness]:
    async with web_harness(tmp_path) as made:
        await made.sign_in()
        yield made


async def install_line(harness: WebHarness, path: str) -> str:
    page = await harness.see(path)
    lines = [str(one["data-copy"]) for one in page.find("button") if "pip install" in (one.get("data-copy") or "")]
    return lines[0] if lines else ""


async def test_project_offers_to_install_only_what_installers_would_take(harness: WebHarness) -> None:
    _, newest = await harness.built("pyyaml==6.0.3")
    _, older = await harness.built("pyyaml==6.0.2")
    assert "pyyaml==6.0.3" in await install_line(harness, "/projects/pyyaml")
    await harness.send(f"/wheels/{newest}/yank", reason="broken")
    assert "pyyaml==6.0.2" in await install_line(harness, "/projects/pyyaml")
    await harness.send(f"/wheels/{older}/delete", confirm=older)
    assert await install_line(harness, "/projects/pyyaml") == ""
    assert "no installable wheels" in (await harness.see("/projects/pyyaml")).text


async def test_sdist_is_on_the_project_page_and_has_one_of_its_own(harness: WebHarness) -> None:
    _, filename = await harness.built("pyyaml==6.0.3")
    sdist = "pyyaml-6.0.3.tar.gz"
    WheelHarness(state=harness.api.state, prod=harness.api.held).put_sdist(sdist)
    project = await harness.see("/projects/pyyaml")
    assert [name in project.text for name in (filename, sdist)] == [True, True]
    page = await harness.see(f"/wheels/{sdist}")
    for text in (sdist, "source distribution", "brought by a user"):
        assert text in page.text
    for text in ("None", "index check", "build record has been deleted"):
        assert text not in page.text
    links = [link["href"] for link in (await harness.see("/")).find("a", class_="file")]
    assert f"/wheels/{sdist}" in links
    await harness.send(f"/wheels/{filename}/delete", confirm=filename)
    assert await install_line(harness, "/projects/pyyaml") == "", "a wheel is what is installed"


async def test_staged_wheel_is_shown_as_such_and_installed_from_staging(harness: WebHarness) -> None:
    harness.level = Level.STAGING
    _, filename = await harness.built()
    for path in ("/projects/pyyaml", f"/wheels/{filename}"):
        assert "/staging/simple/" in await install_line(harness, path)
        assert "on staging only" in (await harness.see(path)).text
    matrix = (await harness.see("/projects/pyyaml")).find("td", class_="staged")
    assert matrix
    assert "staging" in (await harness.see("/")).text
    assert (await harness.send(f"/wheels/{filename}/promote")).status_code == 303
    for path in ("/projects/pyyaml", f"/wheels/{filename}"):
        assert "/staging/" not in await install_line(harness, path)
        assert "on staging only" not in (await harness.see(path)).text


async def test_prod_goes_before_a_newer_version_on_staging(harness: WebHarness) -> None:
    await harness.built("pyyaml==6.0.2")
    harness.level = Level.STAGING
    await harness.built("pyyaml==6.0.3")
    assert "pyyaml==6.0.2" in await install_line(harness, "/projects/pyyaml")


async def test_wheel_is_deleted_only_if_its_name_is_typed(harness: WebHarness) -> None:
    filename = (await furnish(harness))["wheel"]
    refused = await harness.send(f"/wheels/{filename}/delete", confirm="yes")
    assert (refused.status_code, "confirm: must be the file name" in refused.text) == (422, True)
    assert (await harness.send(f"/wheels/{filename}/delete", confirm=filename)).status_code == 303
    assert (await harness.api.services.index.browse.wheel(filename)).standing is Standing.DELETED
    page = await harness.see(f"/wheels/{filename}")
    assert "The file name stays reserved" in page.text
    assert page.find("form", action=f"/wheels/{filename}/delete") == []


def words(page: SeenPage) -> str:
    """Return a page's text with single spaces."""
    return " ".join(page.text.split())


async def test_mirrored_wheel_says_so(harness: WebHarness) -> None:
    page = await harness.see(f"/wheels/{await harness.mirrored()}")
    assert "mirrored from upstream" in page.text
    assert "Origin mirrored" in words(page)
    await harness.built("pyyaml==6.0.2")
    projects = words(await harness.see("/projects"))
    assert "mirrored 2.0 offered mirrored 1 releases" in projects, "name, newest version, state, origin, releases"
    assert "pyyaml 6.0.2 offered built 1 releases" in projects
    matrix = await harness.see("/projects/mirrored")
    assert "wheel mirrored" in words(matrix)
    assert "no longer kept" not in page.text


async def test_wheel_shows_its_metadata_and_its_provenance_in_full(harness: WebHarness) -> None:
    harness.metadata = (
        METADATA
        + "Classifier: Topic :: Text\nProject-URL: Source, https://example.invalid/x\nProvides-Extra: fast\n"
        + "Description-Content-Type: text/html\n\n<h1>Title</h1>\n<script>alert(1)</script>\n"
    )
    ids = await furnish(harness)
    page = await harness.see(f"/wheels/{ids['wheel']}")
    build = await harness.api.builds.get(ids["succeeded"])
    assert build.wheel is not None
    grafted = build.wheel.grafted[0]
    for text in (
        "Topic :: Text",
        "Source: https://example.invalid/x",
        "fast",
        "<script>alert(1)</script>",
        "worker-1",
        "tests",
        build.wheel.builder_image,
        build.wheel.runtime_image,
        grafted.source_package,
        grafted.sha256,
        "beyond the policy",
        "(libglib2.0-0): it has one main loop.",
    ):
        assert str(text) in page.text, text
    assert page.find("h1") == [{"class": "file"}]
    assert "https://example.invalid/x" not in page.links


async def bring(harness: WebHarness, *, changes: tuple[str, ...]) -> dict[str, str]:
    """Let the newest wheel be one that others built, proven on two suites."""
    ids = await furnish(harness)
    build = await harness.api.builds.get(ids["succeeded"])
    assert build.wheel is not None
    proofs = tuple(
        Proof(suite=suite, python="3.13", platform=platform, imported_modules=("yaml",), runtime_image="sha256:2")
        for suite, platform in (("bookworm", "manylinux_2_36_x86_64"), ("trixie", "manylinux_2_41_x86_64"))
    )
    order = replace(build.order, sdist=replace(build.order.sdist, filename="as_brought.whl", kind=SourceKind.WHEEL))
    wheel = replace(build.wheel, changes=changes, proofs=proofs)
    harness.api.state.find(ids["succeeded"]).change(order=order, wheel=wheel)
    return ids


async def test_brought_wheel_shows_what_was_changed_and_where_it_was_proven(harness: WebHarness) -> None:
    change = "Corrected: <manylinux1_x86_64>: it needs GLIBC_2.34 (tag-too-old)."
    ids = await bring(harness, changes=(change,))
    build = await harness.see(f"/builds/{ids['succeeded']}")
    wheel = await harness.see(f"/wheels/{ids['wheel']}")
    for page in (build, wheel):
        assert change in page.text
        assert "as_brought.whl" in page.text
        assert "Sdist" not in page.text
    assert "Proven on bookworm with Python 3.13, trixie with Python 3.13." in words(build)
    assert "trixie, Python 3.13 manylinux_2_41_x86_64, 1 module imported" in words(wheel)


async def test_brought_wheel_that_was_right_says_that_it_is_what_it_was(harness: WebHarness) -> None:
    ids = await bring(harness, changes=())
    assert "byte for byte the wheel that was brought" in (await harness.see(f"/wheels/{ids['wheel']}")).text


async def test_built_wheel_comes_from_an_sdist_and_says_nothing_of_changes(harness: WebHarness) -> None:
    ids = await furnish(harness)
    page = await harness.see(f"/wheels/{ids['wheel']}")
    assert "Sdist SHA-256" in page.text
    assert "What repair changed" not in page.text


async def test_upstream_releases_that_nobody_built_can_be_requested(harness: WebHarness) -> None:
    await harness.built("pyyaml==6.0.2")
    page = await harness.see("/projects/pyyaml")
    assert "/request?requirement=pyyaml%3D%3D6.0.3" in page.links
    assert "/request?requirement=pyyaml%3D%3D6.0.2" not in page.links


async def test_no_page_says_that_a_project_needs_no_recipe_beside_what_to_put_into_one(harness: WebHarness) -> None:
    build_id = await harness.failed("lxml")
    for path in ("/projects/lxml", f"/builds/{build_id}", "/recipes/lxml"):
        page = await harness.see(path)
        assert "libyaml-dev" in page.text, "what to put into the recipe"
        assert "no recipe" in page.text
        assert re.search("needs? (?:no recipe|none)", page.text) is None
    assert "wheelyard recipe new lxml" in page.text
    assert f"/builds/{build_id}" in page.links
    await harness.see("/recipes/nobody-knows", 404)


async def test_recipe_has_the_last_result_for_each_target(harness: WebHarness) -> None:
    ids = await furnish(harness)
    page = await harness.see("/recipes/pyyaml")
    assert "Latest result for each target" in page.text
    assert f"/builds/{ids['older']}" in page.links


async def test_warnings_are_on_the_pages_of_build_and_wheel(harness: WebHarness) -> None:
    ids = await furnish(harness)
    build = await harness.api.builds.get(ids["succeeded"])
    assert build.wheel is not None
    warning = "Python runs 'yaml.pth' of it at each of its starts, imported or not. It runs 'import yaml'."
    harness.api.state.find(ids["succeeded"]).change(wheel=replace(build.wheel, warnings=(warning,)))
    for path in (f"/builds/{ids['succeeded']}", f"/wheels/{ids['wheel']}"):
        assert warning in (await harness.see(path)).text


async def test_pages_with_more_than_they_can_show_stay_small(harness: WebHarness) -> None:
    ids = await furnish(harness)
    build = await harness.api.builds.get(ids["succeeded"])
    assert build.wheel is not None
    many = replace(
        build.wheel,
        warnings=tuple(f"warning {n} {'<' * 3000}" for n in range(300)),
        extensions=tuple(f"module_{n}{'x' * 300}" for n in range(3000)),
        imported_modules=tuple(f"module_{n}" for n in range(9000)),
        grafted=build.wheel.grafted * 300,
        host_libraries=build.wheel.host_libraries * 300,
        build_requirements=build.wheel.build_requirements * 900,
    )
    harness.api.state.find(ids["succeeded"]).change(wheel=many)
    for path in (f"/builds/{ids['succeeded']}", f"/wheels/{ids['wheel']}"):
        await harness.see(path)


async def test_long_recipe_and_many_recipes_stay_small_pages(harness: WebHarness) -> None:
    await harness.recipe("big", "\n".join(f"# {'<' * 900}" for _ in range(3000)) + '\nschema = 1\nname = "big"\n')
    page = await harness.see("/recipes/big")
    (later,) = [link for link in page.links if "line=" in link]
    assert (await harness.see(f"/recipes/big{later}")).find("li", id="L1") == []
    await harness.see("/recipes/big?line=99999999999", 200)
    for number in range(700):
        await harness.recipe(f"many-{number:03}", f'schema = 1\nname = "many-{number:03}"\n')
    first = await harness.see("/recipes")
    (following,) = [link for link in first.links if "after=" in link]
    assert "/recipes/many-150" in (await harness.see(following)).links
    assert "/recipes/many-699" in (await harness.see("/recipes?q=many-699")).links


async def test_recipe_with_a_file_that_no_rule_names_says_so(harness: WebHarness) -> None:
    recipe = parse_recipe('schema = 1\nname = "odd"\n', source="odd.toml", files={"patches/lost.patch": b"x"})
    harness.api.recipes.recipes[canonicalize_name("odd")] = recipe
    assert "1 remark" in (await harness.see("/recipes")).text
    assert "no rule names the file patches/lost.patch" in (await harness.see("/recipes/odd")).text
    listed = (await harness.api.client.get("/v1/recipes/odd")).json()
    assert listed["remarks"] == ["no rule names the file patches/lost.patch"]


async def test_projects_show_their_newest_version_its_state_and_where_it_comes_from(harness: WebHarness) -> None:
    await furnish(harness)
    await harness.mirrored()
    harness.level = Level.STAGING
    await harness.built("lxml")
    failed = await harness.failed("pyyaml==6.0.1")
    page = await harness.see("/projects")
    text = " ".join(page.text.split())
    assert "pyyaml 6.0.3 offered built 2 releases 2 wheels failed 6.0.1" in text
    assert "mirrored 2.0 offered mirrored 1 releases 1 wheels" in text
    assert "lxml 6.0.2 staged built" in text
    assert f"/builds/{failed}" in page.links


async def test_recipes_show_packages_and_their_last_result(harness: WebHarness) -> None:
    await furnish(harness)
    await harness.recipe("lxml", 'schema = 1\nname = "lxml"\n[[rule]]\napt = ["libxml2-dev"]\ntoolchains = ["rust"]\n')
    await harness.recipe("numpy", 'schema = 1\nname = "numpy"\n')
    text = " ".join((await harness.see("/recipes")).text.split())
    assert "lxml valid libxml2-dev, rust failed 6.0.2, Python 3.13" in text
    assert "pyyaml valid libyaml-dev succeeded 6.0.2, Python 3.13" in text
    assert "numpy valid not built yet" in text


async def test_page_shows_who_signed_and_offers_the_attestation(harness: WebHarness, tmp_path: Path) -> None:
    _, filename = await harness.built("pyyaml==6.0.3")
    page = await harness.see(f"/wheels/{filename}")
    assert "nothing was signed of this file" in page.text
    provenance = sign(await new_key(new_authority(tmp_path / "authority")), brought=({"version": 1},))
    entry = harness.api.state.wheels[filename]
    signed = replace(entry.wheel, provenance_sha256="ab" * 32)
    harness.api.state.put_wheel(replace(entry, wheel=signed, provenance=provenance))
    page = await harness.see(f"/wheels/{filename}")
    for text in (BUILDER, "build requirement, crates", "1 attestation, not verified here"):
        assert text in page.text
    assert f"/wheels/{filename}/provenance" in [link["href"] for link in page.find("a")]
