"""The images as an operator sees them beside a running service: listed, refreshed, tested, described and pruned.

The first test that needs an image has it made; where other tests ran before, it is there.
"""

import json
from typing import Any

import pytest
from tests.acceptance.running_service import Completed, RunningService
from tests.acceptance.test_command_line import Wheels

SUITE, PYTHON = "bookworm", "3.13"


def document(completed: Completed) -> Any:  # noqa: ANN401  it is whatever JSON says
    assert completed.returncode == 0, completed.stderr
    return json.loads(completed.stdout)


@pytest.fixture(scope="module")
def made(service: RunningService) -> dict[str, str]:
    """Give the ids of the suite's builder and runtime, by role."""
    done = document(service.cli("builders", "build", SUITE, "--python", PYTHON, "--json"))
    return {role: done[role] for role in ("builder", "runtime")}


def test_list_shows_each_suite_with_its_policy_and_what_this_host_has(
    service: RunningService, made: dict[str, str]
) -> None:
    listed = {one["suite"]: one for one in document(service.cli("builders", "list", "--json"))}
    policies = {name: one["policy"] for name, one in listed.items()}
    expected = {"bullseye": "manylinux_2_31", "bookworm": "manylinux_2_36", "trixie": "manylinux_2_41"}
    assert policies == policies | expected
    assert listed["bullseye"]["warning"]
    current = {image["id"] for image in listed[SUITE]["images"] if image["current"]}
    assert set(made.values()) <= current
    table = service.cli("builders", "list").stdout
    assert f"wheelyard/runtime-{SUITE}-{PYTHON}:" in table


def test_service_tells_of_the_images_that_its_worker_has(
    service: RunningService, made: dict[str, str], requested: Wheels
) -> None:
    assert requested["pyyaml"].build["status"] == "succeeded"
    answer = service.http.get("/v1/builders").raise_for_status().json()
    [suite] = [one for one in answer if one["suite"] == SUITE]
    images = {image["id"]: image for image in suite["images"]}
    assert {role: images[image]["role"] for role, image in made.items()} == {role: role for role in made}
    assert all(images[image]["host"] and images[image]["current"] for image in made.values())


def test_check_for_updates_names_each_image_and_changes_none(service: RunningService, made: dict[str, str]) -> None:
    checked = document(service.cli("builders", "refresh", SUITE, "--check", "--json"))
    names = {one["image"].partition(":")[0] for one in checked}
    assert {f"wheelyard/{role}-{SUITE}-{PYTHON}" for role in made} <= names
    assert not any(one["refreshed"] for one in checked)
    [suite] = [one for one in document(service.cli("builders", "list", "--json")) if one["suite"] == SUITE]
    assert suite["pending"]["checked"]
    pending = {change["package"] for one in checked for change in one["pending"]}
    assert {change["package"] for change in suite["pending"]["changes"]} == pending


def test_every_promise_of_the_images_is_kept(service: RunningService, made: dict[str, str]) -> None:
    reports = document(service.cli("builders", "test", SUITE, "--python", PYTHON, "--json"))
    assert [report["passed"] for report in reports] == [True] * len(made)
    promises = {check["name"] for report in reports for check in report["checks"]}
    assert {"user", "debug_symbols", "leftovers", "caches", "headers", "size"} <= promises
    printed = service.cli("builders", "test", SUITE, "--python", PYTHON)
    assert "FAIL" not in printed.stdout
    assert "No file of a runtime and no Python of ours has debug information" in printed.stdout


@pytest.mark.parametrize("role", ["builder", "runtime"])
def test_sbom_names_what_is_in_the_image(service: RunningService, made: dict[str, str], role: str) -> None:
    sbom = document(service.cli("builders", "sbom", SUITE, "--python", PYTHON, "--role", role))
    assert (sbom["bomFormat"], sbom["specVersion"]) == ("CycloneDX", "1.6")
    names = {component["name"] for component in sbom["components"]}
    assert {"libc6", "cpython"} <= names
    assert ("auditwheel" in names) is (role == "builder")
    assert document(service.cli("builders", "sbom", "--image", made[role])) == sbom


def test_sbom_of_an_image_that_is_not_there_is_an_error_with_its_name(service: RunningService) -> None:
    refused = service.cli("builders", "sbom", "--image", "wheelyard/nothing:1")
    assert refused.returncode != 0
    assert "wheelyard/nothing:1" in refused.stderr


def test_prune_within_the_budget_leaves_what_is_in_use(service: RunningService, made: dict[str, str]) -> None:
    document(service.cli("builders", "prune", "--budget", str(1 << 50), "--json"))
    [suite] = [one for one in document(service.cli("builders", "list", "--json")) if one["suite"] == SUITE]
    assert set(made.values()) <= {image["id"] for image in suite["images"]}
