"""Requests for whole applications, over REST, on stores in memory."""

import asyncio
import hashlib
import json
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from packaging.utils import canonicalize_name
from tests.contract.prebuild_contract import sample_prebuild
from tests.contract.samples import sample_failure, sample_wheel
from tests.fakes.sources import MemoryReleaseResolver
from tests.unit.api_harness import ApiHarness, assert_problem, read_events
from tests.unit.request_harness import (
    GRID,
    METADATA,
    builds_of,
    finish_build,
    look,
    make_sdist,
    make_wheel,
    order,
    release_dependents,
    request_harness,
    statuses,
)

from wheelyard.api.schemas.requests import RequestView
from wheelyard.domain.builds.build import Status
from wheelyard.domain.builds.records import Outcome
from wheelyard.domain.dependencies.files import ResolvedRelease
from wheelyard.errors import ResolverBusyError


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ApiHarness]:
    async with request_harness(tmp_path) as made:
        yield made


async def test_plan_says_what_would_be_done_and_does_none_of_it(harness: ApiHarness) -> None:
    answer = await harness.client.post("/v1/requests/plan", json={"requirements": ["pyyaml"], **GRID})
    plan = answer.json()
    assert plan["counts"] == {"build": 1, "waiting": 3}
    assert builds_of(plan) == [("3.11", "manylinux_2_31_x86_64")]
    assert (await harness.client.get("/v1/builds")).json()["builds"] == []
    assert (await harness.client.get("/v1/requests")).json()["requests"] == []


async def test_plan_tells_a_build_that_would_be_joined(harness: ApiHarness) -> None:
    build_id = await harness.submit("pyyaml")
    plan = (await harness.client.post("/v1/requests/plan", json={"requirements": ["pyyaml"]})).json()
    assert [(build["build_id"], build["joined"]) for build in plan["builds"]] == [(build_id, True)]


async def test_plan_finds_the_build_that_would_be_joined_behind_many_others(harness: ApiHarness) -> None:
    build_id = await harness.submit("pyyaml")
    former = (await harness.builds.get(build_id)).order
    for number in range(60):
        other = replace(former, key=f"{number:064}", recipe_digest=f"{number}")
        await harness.builds.submit(other, requested_by="tests")
    plan = (await harness.client.post("/v1/requests/plan", json={"requirements": ["pyyaml"]})).json()
    assert [(build["build_id"], build["joined"]) for build in plan["builds"]] == [(build_id, True)]


async def test_pure_wheel_of_one_build_serves_all_targets(harness: ApiHarness) -> None:
    request = await order(harness, requirements=["pyyaml"], prefer="own", **GRID)
    running = await look(harness, request)
    assert statuses(running) == ["build", "waiting", "waiting", "waiting"]
    await finish_build(harness, running["builds"][0]["build_id"], "pyyaml-6.0.3-1.bullseye-py3-none-any.whl")
    done = await look(harness, request)
    assert statuses(done) == ["present"] * 4
    assert len(done["builds"]) == 1
    assert done["is_installable"]
    assert done["finished_at"] is not None
    assert done["install"].endswith("pyyaml==6.0.3")


@pytest.mark.parametrize(
    ("needs", "status", "named"),
    [
        (
            ("numpy>=2", "six; python_version < '3'", "extra-only; extra == 'all'", "not a requirement"),
            "failed",
            "numpy>=2",
        ),
        (("LXML>=7",), "failed", "LXML>=7"),
        (("lxml>=6",), "present", ""),
    ],
)
async def test_need_that_only_the_built_wheel_tells_of_keeps_a_request_from_being_installable(
    harness: ApiHarness, needs: tuple[str, ...], status: str, named: str
) -> None:
    request = await order(harness, requirements=["lxml", "pyyaml"])
    builds = {build["project"]: build["build_id"] for build in (await look(harness, request))["builds"]}
    await finish_build(harness, builds["lxml"], "lxml-6.0.2-1.bookworm-py3-none-any.whl")
    assert (await look(harness, request))["finished_at"] is None
    metadata = METADATA + "".join(f"Requires-Dist: {need}\n" for need in needs).encode()
    await finish_build(harness, builds["pyyaml"], "pyyaml-6.0.3-1.bookworm-py3-none-any.whl", metadata=metadata)
    done = await look(harness, request)
    assert [item["status"] for item in done["items"]] == ["present", status]
    assert done["is_installable"] is (status == "present")
    assert f"needs {named}," in done["items"][1]["reason"] if named else not done["items"][1]["reason"]
    assert done["finished_at"] is not None


async def test_lock_is_taken_at_its_word_whatever_wheels_need(harness: ApiHarness) -> None:
    sdist = (await harness.source.project(canonicalize_name("pyyaml"))).files[0].sha256
    files = {"requirements.txt": f"pyyaml==6.0.3 --hash=sha256:{sdist}\n"}
    request = await order(harness, file="requirements.txt", files=files)
    (build,) = (await look(harness, request))["builds"]
    metadata = METADATA + b"Requires-Dist: numpy\n"
    await finish_build(harness, build["build_id"], "pyyaml-6.0.3-1.bookworm-py3-none-any.whl", metadata=metadata)
    assert (await look(harness, request))["is_installable"]


async def test_native_wheel_leads_to_one_build_for_each_python(harness: ApiHarness) -> None:
    request = await order(harness, requirements=["pyyaml"], prefer="own", **GRID)
    running = await look(harness, request)
    name = "pyyaml-6.0.3-1.bullseye-cp311-cp311-manylinux_2_17_x86_64.whl"
    await finish_build(harness, running["builds"][0]["build_id"], name)
    again = await look(harness, request)
    assert statuses(again) == ["present", "present", "build", "waiting"]
    assert builds_of(again) == [("3.11", "manylinux_2_31_x86_64"), ("3.13", "manylinux_2_31_x86_64")]


async def test_upstream_wheel_is_mirrored_as_it_is(harness: ApiHarness) -> None:
    content = make_wheel("demo", "1.0")
    harness.source.add("demo-1.0-py3-none-any.whl", content)
    harness.resolver.add("demo", "1.0")
    done = await look(harness, await order(harness, requirements=["demo"], **GRID))
    assert statuses(done) == ["present"] * 4
    assert {item["source"] for item in done["items"]} == {"upstream"}
    assert done["builds"] == []
    page = await harness.client.get("/simple/demo/", headers={"Accept": "application/vnd.pypi.simple.v1+json"})
    assert [file["filename"] for file in page.json()["files"]] == ["demo-1.0-py3-none-any.whl"]
    assert list(harness.held.files.values()) == [content]


async def test_own_wheel_is_not_displaced_by_upstreams_whatever_comes_first(harness: ApiHarness) -> None:
    theirs, ours = (
        "pyyaml-6.0.3-cp313-cp313-manylinux_2_28_x86_64.whl",
        "pyyaml-6.0.3-1.bullseye-cp313-cp313-manylinux_2_17_x86_64.whl",
    )
    harness.source.add(theirs, make_wheel("pyyaml", "6.0.3"))
    wanted = {"requirements": ["pyyaml"], "pythons": ["3.13"], "platforms": ["manylinux_2_31_x86_64"]}
    first = await look(harness, await order(harness, **wanted))
    assert (first["items"][0]["source"], await listed(harness)) == ("upstream", [theirs])
    second = await order(harness, **wanted, prefer="own")
    await finish_build(harness, (await look(harness, second))["builds"][0]["build_id"], ours)
    assert (await look(harness, second))["items"][0]["filename"] == ours
    assert await listed(harness) == [ours]
    again = await look(harness, await order(harness, **wanted))
    assert [(one["status"], one["filename"]) for one in again["items"]] == [("present", ours)]
    assert (await harness.client.get(f"/files/{theirs}")).status_code == 200, "locks that name it go on working"
    wheels = (await harness.client.get("/v1/wheels")).json()["wheels"]
    assert {one["filename"]: one["origin"] for one in wheels} == {theirs: "mirrored", ours: "built"}
    await harness.client.post(f"/v1/wheels/{ours}/yank", json={"reason": "broken"})
    assert await listed(harness) == [theirs, ours]


async def test_upstream_wheel_that_would_not_be_listed_is_not_mirrored_though_a_lock_allows_it_alone(
    harness: ApiHarness,
) -> None:
    await finish_build(harness, await harness.submit("pyyaml==6.0.3"), "pyyaml-6.0.3-1.bookworm-py3-none-any.whl")
    content = make_wheel("pyyaml", "6.0.3")
    harness.source.add("pyyaml-6.0.3-cp313-cp313-manylinux_2_28_x86_64.whl", content)
    digest = hashlib.sha256(content).hexdigest()
    files = {"requirements.txt": f"pyyaml==6.0.3 --hash=sha256:{digest}\n"}
    done = await look(harness, await order(harness, file="requirements.txt", files=files))
    (item,) = done["items"]
    assert (item["status"], item["source"], done["needs_lock"]) == ("present", "own", True)
    assert harness.held.files == {}, "nothing was brought here"


async def test_request_builds_what_it_would_have_mirrored_if_the_operator_mirrors_nothing(harness: ApiHarness) -> None:
    harness.source.add("pyyaml-6.0.3-py3-none-any.whl", make_wheel("pyyaml", "6.0.3"))
    harness.services.prebuilds.advance.find.may_mirror = False
    wanted = {"requirements": ["pyyaml"], "pythons": ["3.13"]}
    plan = (await harness.client.post("/v1/requests/plan", json=wanted)).json()
    assert (plan["mirror"], plan["items"][0]["status"]) == ("never", "build")
    assert "WHEELYARD_MIRROR=never" in plan["items"][0]["reason"]
    request = await order(harness, **wanted)
    running = await look(harness, request)
    await finish_build(harness, running["builds"][0]["build_id"], "pyyaml-6.0.3-1.bookworm-py3-none-any.whl")
    done = await look(harness, request)
    assert (done["mirror"], done["items"][0]["source"]) == ("never", "own")
    assert "WHEELYARD_MIRROR=never" in done["items"][0]["reason"]


async def listed(harness: ApiHarness, project: str = "pyyaml") -> list[str]:
    page = await harness.client.get(f"/simple/{project}/", headers={"Accept": "application/vnd.pypi.simple.v1+json"})
    return [file["filename"] for file in page.json()["files"]]


async def test_own_wheels_are_built_where_upstreams_are_not_wanted(harness: ApiHarness) -> None:
    harness.source.add("lxml-6.0.2-cp313-cp313-manylinux_2_28_x86_64.whl", b"upstream")
    view = await look(harness, await order(harness, requirements=["lxml"], prefer="own"))
    assert statuses(view) == ["build"]


async def test_failed_build_is_told_with_its_reason(harness: ApiHarness) -> None:
    request = await order(harness, requirements=["pyyaml"], prefer="own")
    running = await look(harness, request)
    await finish_build(harness, running["builds"][0]["build_id"], None)
    done = await look(harness, request)
    assert statuses(done) == ["failed"]
    assert done["items"][0]["reason"] == sample_failure().summary
    assert done["finished_at"] is not None
    assert not done["is_installable"]
    assert done["install"] is None


async def test_release_without_an_sdist_is_impossible_and_says_why(harness: ApiHarness) -> None:
    done = await look(harness, await order(harness, requirements=["wheelonly"], prefer="own"))
    assert statuses(done) == ["impossible"]
    assert "sdist" in done["items"][0]["reason"]


async def test_hashes_that_allow_no_sdist_forbid_a_build(harness: ApiHarness) -> None:
    files = {"requirements.txt": f"pyyaml==6.0.3 --hash=sha256:{'a' * 64}\n"}
    done = await look(harness, await order(harness, file="requirements.txt", files=files))
    assert statuses(done) == ["impossible"]
    assert "hashes" in done["items"][0]["reason"]


@pytest.mark.parametrize("limits", ["", f"pyyaml==6.0.3 --hash=sha256:{'a' * 64}\n"])
async def test_hashes_bind_though_a_resolver_chooses_the_rest(harness: ApiHarness, limits: str) -> None:
    """Of a line, or of a constraint on what a line asks for."""
    line = "pyyaml\n" if limits else f"pyyaml==6.0.3 --hash=sha256:{'a' * 64}\n"
    files = {"requirements.txt": f"lxml\n-c limits.txt\n{line}", "limits.txt": limits}
    done = await look(harness, await order(harness, file="requirements.txt", files=files))
    assert [(item["project"], item["status"]) for item in done["items"]] == [
        ("lxml", "build"),
        ("pyyaml", "impossible"),
    ]
    assert "hashes" in done["items"][1]["reason"]
    assert done["items"][1]["origin"] == {"file": "requirements.txt", "line": 3}


async def test_lines_that_cannot_be_built_are_reported_and_the_rest_goes_on(harness: ApiHarness) -> None:
    files = {"requirements.txt": "-e .\npyyaml\n"}
    view = await order(harness, file="requirements.txt", files=files)
    assert [(one["file"], one["line"]) for one in view["skipped"]] == [("requirements.txt", 1)]
    assert [item["origin"] for item in view["items"]] == [{"file": "requirements.txt", "line": 2}]


@pytest.mark.parametrize(
    ("lines", "allowed", "installable"),
    [
        (["-e ."], False, True),
        (["--extra-index-url https://elsewhere.test/simple"], False, True),
        (["git+https://elsewhere.test/x.git"], False, False),
        (["x @ https://elsewhere.test/x.tar.gz"], False, False),
        (["git+https://elsewhere.test/x.git"], True, True),
    ],
)
async def test_line_that_asks_for_what_is_on_no_index_keeps_a_request_from_being_installable_unless_allowed(
    harness: ApiHarness,
    lines: list[str],
    allowed: bool,  # noqa: FBT001  a parameter of the test
    installable: bool,  # noqa: FBT001  as above
) -> None:
    harness.source.add("demo-1.0-py3-none-any.whl", make_wheel("demo", "1.0"))
    harness.resolver.add("demo", "1.0")
    files = {"requirements.txt": "\n".join([*lines, "demo", ""])}
    done = await look(harness, await order(harness, file="requirements.txt", files=files, allow_skipped=allowed))
    assert statuses(done) == ["present"]
    assert done["finished_at"] is not None
    assert done["is_installable"] is installable
    assert (done["install"] is not None) is installable


@pytest.mark.parametrize("line", ["-e .", "git+https://elsewhere.test/x.git"])
@pytest.mark.parametrize("allowed", [True, False])
async def test_input_of_which_nothing_is_understood_is_not_installable(
    harness: ApiHarness,
    line: str,
    allowed: bool,  # noqa: FBT001  a parameter of the test
) -> None:
    files = {"requirements.txt": f"{line}\n"}
    done = await order(harness, file="requirements.txt", files=files, allow_skipped=allowed)
    assert done["finished_at"] is not None
    assert not done["is_installable"]


async def test_application_without_dependencies_is_installable_at_once(harness: ApiHarness) -> None:
    lock = 'lock-version = "1.0"\ncreated-by = "tests"\npackages = []\n'
    done = await order(harness, file="pylock.toml", files={"pylock.toml": lock})
    assert done["is_installable"]
    assert done["finished_at"] is not None
    assert done["install"] is None


async def test_lock_file_for_another_python_is_refused(harness: ApiHarness) -> None:
    lock = 'lock-version = "1.0"\nrequires-python = ">=3.12"\ncreated-by = "tests"\npackages = []\n'
    body = {"file": "pylock.toml", "files": {"pylock.toml": lock}, **GRID}
    problem = assert_problem(await harness.client.post("/v1/requests", json=body), 422, "requirements-unsatisfiable")
    assert "pylock.toml is for Python >=3.12" in problem["detail"]
    assert "3.11" in problem["detail"]


async def test_constraints_count_beside_a_lock_too(harness: ApiHarness) -> None:
    files = {"requirements.txt": f"pyyaml==6.0.3 --hash=sha256:{'a' * 64}\n-c limits.txt\n"}
    body = {"file": "requirements.txt", "files": {**files, "limits.txt": "PyYAML<6.0.3\n"}}
    problem = assert_problem(await harness.client.post("/v1/requests", json=body), 422, "requirements-unsatisfiable")
    assert "pyyaml==6.0.3 (requirements.txt:1) does not satisfy the constraint PyYAML<6.0.3" in problem["detail"]
    fitting = {"limits.txt": 'pyyaml<7\npyyaml<6; python_version < "3.10"\nlxml<1\n'}
    await order(harness, file="requirements.txt", files={**files, **fitting})


async def test_default_groups_of_uv_are_read_from_the_project_beside_the_lock(harness: ApiHarness) -> None:
    lock = """
version = 1
[[package]]
name = "app"
version = "1"
source = { virtual = "." }
[package.dev-dependencies]
dev = [{ name = "pyyaml" }]
[[package]]
name = "pyyaml"
version = "6.0.3"
source = { registry = "simple" }
"""
    files = {"a/uv.lock": lock, "a/pyproject.toml": "[tool.uv]\ndefault-groups = []\n"}
    assert statuses(await order(harness, file="a/uv.lock", files={"a/uv.lock": lock})) == ["waiting"]
    assert statuses(await order(harness, file="a/uv.lock", files=files)) == []


async def test_install_line_tells_versions_apart_by_python(harness: ApiHarness) -> None:
    files = {"requirements.txt": 'demo==1.0; python_version < "3.12"\ndemo==2.0; python_version >= "3.12"\n'}
    for version in ("1.0", "2.0"):
        harness.source.add(f"demo-{version}-py3-none-any.whl", make_wheel("demo", version))
        harness.resolver.add("demo", version)
    done = await look(harness, await order(harness, file="requirements.txt", files=files, **GRID))
    assert done["install"].endswith("""'demo==1.0; python_version == "3.11"' 'demo==2.0; python_version == "3.13"'""")


HEAD = "--index-url http://wheelyard/simple/\n--trusted-host wheelyard\n"


async def test_lock_file_comes_back_with_our_wheels_hash(harness: ApiHarness) -> None:
    sdist = (await harness.source.project("pyyaml")).files[0].sha256  # type: ignore[arg-type]
    files = {"requirements.txt": f"pyyaml==6.0.3 --hash=sha256:{sdist}\n"}
    request = await order(harness, file="requirements.txt", files=files, prefer="own")
    running = await look(harness, request)
    await finish_build(harness, running["builds"][0]["build_id"], "pyyaml-6.0.3-1.bookworm-py3-none-any.whl")
    assert (await look(harness, request))["is_installable"]
    answer = await harness.client.post(f"{request['url']}/lock", json={"file": "requirements.txt", "files": files})
    expected = f"{HEAD}pyyaml==6.0.3 \\\n    --hash=sha256:{sample_wheel().sha256}\n"
    assert answer.json()["text"] == expected


async def test_files_that_a_lock_names_come_back_with_our_hashes_too(harness: ApiHarness) -> None:
    sdist = (await harness.source.project("pyyaml")).files[0].sha256  # type: ignore[arg-type]
    files = {
        "requirements.txt": "-r deeper/base.txt\n",
        "deeper/base.txt": f"pyyaml==6.0.3 --hash=sha256:{sdist}\n",
    }
    request = await order(harness, file="requirements.txt", files=files, prefer="own")
    running = await look(harness, request)
    await finish_build(harness, running["builds"][0]["build_id"], "pyyaml-6.0.3-1.bookworm-py3-none-any.whl")
    await release_dependents(harness)
    answer = await harness.client.post(f"{request['url']}/lock", json={"file": "requirements.txt", "files": files})
    assert answer.json()["text"] == HEAD + files["requirements.txt"]
    expected = f"{HEAD}pyyaml==6.0.3 \\\n    --hash=sha256:{sample_wheel().sha256}\n"
    assert answer.json()["files"]["deeper/base.txt"] == expected


async def test_followers_see_each_change_and_the_end(harness: ApiHarness) -> None:
    request = await order(harness, requirements=["wheelonly"], prefer="own")
    await release_dependents(harness)
    events = read_events((await harness.client.get(f"{request['url']}/events")).text)
    assert [event.name for event in events] == ["update", "end"]
    assert events[0].data["counts"] == {"impossible": 1}


async def test_constraints_count_for_the_sdist_that_the_resolver_is_told_of(harness: ApiHarness) -> None:
    for version in ("2.8.6", "2.9.13"):
        harness.source.add(f"psycopg2-{version}.tar.gz", make_sdist(f"psycopg2-{version}"))
    harness.resolver.add("psycopg2", "2.8.6", "2.9.13")
    files = {"requirements.txt": "psycopg2\n-c limits.txt\n", "limits.txt": "Psycopg2<2.9\n"}
    await order(harness, file="requirements.txt", files=files, prefer="own")
    assert [str(one.version) for one in harness.resolver.stated] == ["2.8.6"]


async def test_sdist_without_any_wheel_tells_the_resolver_what_it_needs(harness: ApiHarness) -> None:
    harness.source.add("psycopg2-2.9.13.tar.gz", make_sdist("psycopg2-2.9.13", "Requires-Dist: six>=1"))
    harness.resolver.add("psycopg2", "2.9.13")
    await order(harness, requirements=["psycopg2"], prefer="own")
    assert [(str(one.version), one.requires) for one in harness.resolver.stated] == [("2.9.13", ("six>=1",))]


async def test_followers_are_sent_what_has_changed_and_no_estimate_by_itself(
    harness: ApiHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = await harness.claim(await harness.submit("pyyaml==6.0.2"))
    harness.clock.advance(300)
    assert await harness.attempts.finish(former, Outcome(status=Status.SUCCEEDED, wheel=sample_wheel()))
    request = await order(harness, requirements=["pyyaml"], prefer="own")
    claim = await harness.claim((await look(harness, request))["builds"][0]["build_id"])
    estimates: list[float | None] = []

    async def pass_time(_: float) -> None:
        harness.clock.advance(40)
        estimates.append((await look(harness, request))["seconds_left"])
        if len(estimates) == 5:
            failed = Outcome(status=Status.FAILED, failure=sample_failure())
            assert await harness.attempts.finish(claim, failed)
            await release_dependents(harness)

    monkeypatch.setattr("wheelyard.api.requests.asyncio", SimpleNamespace(sleep=pass_time, to_thread=asyncio.to_thread))
    events = read_events((await harness.client.get(f"{request['url']}/events")).text)
    assert estimates == [260.0, 220.0, 180.0, 140.0, 100.0]
    assert [event.name for event in events] == ["update", "update", "end"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid-request"),
        ({"requirements": ["pyyaml"], "pythons": ["three"]}, "unknown-target"),
        ({"requirements": ["nothing-there"]}, "requirements-unsatisfiable"),
        ({"file": "uv.lock", "files": {"uv.lock": "["}}, "dependency-file-invalid"),
        ({"file": "uv.lock"}, "dependency-file-missing"),
        ({"file": "pyproject.toml", "files": {"pyproject.toml": "project = {}"}, "extras": ["a"]}, "selection-unknown"),
        ({"file": "uv.lock", "files": {"uv.lock": "package = [{name = 'a', source = []}]"}}, "dependency-file-invalid"),
        ({"file": "poetry.lock", "files": {"poetry.lock": "extras = 1"}}, "dependency-file-invalid"),
        ({"file": "pyproject.toml", "files": {"pyproject.toml": "dependency-groups = 1"}}, "dependency-file-invalid"),
        (
            {"file": "pyproject.toml", "files": {"pyproject.toml": "project = {dependencies = [1]}"}},
            "dependency-file-invalid",
        ),
        ({"file": "requirements.txt", "files": {"requirements.txt": "six\npyyaml>>6"}}, "dependency-file-invalid"),
        (
            {"file": "pyproject.toml", "files": {"pyproject.toml": "project = {dependencies = ['pyyaml>>6']}"}},
            "dependency-file-invalid",
        ),
        ({"requirements": ["pyyaml>>6"]}, "dependency-file-invalid"),
        ({"file": "environment.yml", "files": {"environment.yml": "dependencies:\n"}}, "dependency-file-invalid"),
        ({"requirements": ["pyyaml"], "unknown": 1}, "invalid-request"),
    ],
)
async def test_request_that_cannot_be_understood_is_refused_with_the_reason(
    harness: ApiHarness, body: dict[str, Any], code: str
) -> None:
    answer = await harness.client.post("/v1/requests", json=body)
    assert answer.json()["code"].startswith(code), answer.text
    assert 400 <= answer.status_code < 500
    assert (await harness.client.get("/v1/requests")).json()["requests"] == []


async def test_malformed_target_is_refused_with_the_reason_and_those_that_there_are(harness: ApiHarness) -> None:
    answer = await harness.client.post("/v1/requests/plan", json={"requirements": ["pyyaml"], "pythons": ["3.13.2"]})
    assert "'3.13.2' is not a Python version of the form 3.13" in answer.json()["detail"]
    targets = (await harness.client.get("/v1/targets")).json()
    assert all(f"Python {one['python']} on {one['platform']}" in answer.json()["hint"] for one in targets)


@pytest.mark.parametrize("action", ["", "/events"])
async def test_request_that_is_not_there_is_not_found(harness: ApiHarness, action: str) -> None:
    path = f"/v1/requests/0e3c2b1a-5a5e-4a0e-9d62-5f3f5a7a8b11{action}"
    assert_problem(await harness.client.get(path), 404, "not-found")


@pytest.mark.parametrize(
    "body",
    [
        {"requirements": ["a\0 b"]},
        {"file": "requirements.txt", "files": {"requirements.txt": "a\0 b"}},
        {"file": "a\0", "files": {"requirements.txt": "a"}},
    ],
)
async def test_nul_is_refused_before_a_database_sees_it(harness: ApiHarness, body: dict[str, object]) -> None:
    assert_problem(await harness.client.post("/v1/requests", json=body), 422, "invalid-request")


@pytest.mark.parametrize("text", ["git+https://me:s3cret@git.example/x", "x @@ https://me:s3@cret@git.example/x"])
async def test_password_in_a_requirement_is_not_kept(harness: ApiHarness, text: str) -> None:
    request = await order(harness, requirements=["pyyaml", text])
    (skipped,) = request["skipped"]
    assert "git.example/x" in skipped["text"]
    assert "cret" not in str(request)


class HeldResolver(MemoryReleaseResolver):
    """A resolver that never answers, and says whether it was left alone."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.ended = asyncio.Event(), asyncio.Event()

    async def resolve(self, *_: Any, **__: Any) -> tuple[ResolvedRelease, ...]:  # noqa: ANN401  it takes anything
        self.asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()
        return ()


@pytest.mark.parametrize("path", ["/v1/requests/plan", "/v1/requests"])
async def test_resolver_of_a_caller_that_has_gone_is_ended(
    harness: ApiHarness, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolver = HeldResolver()
    monkeypatch.setattr(harness.services.prebuilds.read, "resolver", resolver)
    body = json.dumps({"requirements": ["pyyaml"]}).encode()
    messages = asyncio.Queue[dict[str, Any]]()
    await messages.put({"type": "http.request", "body": body, "more_body": False})
    headers = [
        (b"authorization", harness.client.headers["Authorization"].encode()),
        (b"content-type", b"application/json"),
    ]
    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": headers, "http_version": "1.1", "scheme": "http", "root_path": "",
        "client": ("127.0.0.1", 1), "server": ("wheelyard", 80),
    }  # fmt: skip
    sent: list[Any] = []

    async def send(message: Any) -> None:  # noqa: ANN401  messages of ASGI
        sent.append(message)

    answering = asyncio.create_task(harness.app(scope, messages.get, send))
    await resolver.asked.wait()
    await messages.put({"type": "http.disconnect"})
    await asyncio.wait_for(resolver.ended.wait(), 5)
    await answering
    assert harness.state.records == {}


async def test_resolver_knows_for_whom_it_works(harness: ApiHarness) -> None:
    await harness.client.post("/v1/requests/plan", json={"requirements": ["pyyaml"]})
    token = (await harness.token_store.list_tokens())[0]
    assert harness.resolver.asked_by == token.actor


async def test_busy_resolver_is_a_problem_that_says_when_to_ask_again(harness: ApiHarness) -> None:
    harness.resolver.fault = ResolverBusyError(processes=4)
    answer = await harness.client.post("/v1/requests/plan", json={"requirements": ["pyyaml"]})
    assert_problem(answer, 503, "resolver-busy")
    assert answer.headers["Retry-After"] == "30"


async def test_request_of_thousands_of_items_is_written_outside_of_the_loop(
    harness: ApiHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    writers: list[int] = []
    as_json = RequestView.as_json

    def write(view: RequestView) -> str:
        writers.append(threading.get_ident())
        return as_json(view)

    monkeypatch.setattr(RequestView, "as_json", write)
    one = sample_prebuild()
    items = tuple(replace(one.items[0], project=canonicalize_name(f"p{number}")) for number in range(3000))
    await harness.services.prebuilds.store.create(replace(one, items=items))
    body = (await harness.client.get(f"/v1/requests/{one.id}")).json()
    assert len(writers) == 1
    assert threading.get_ident() not in writers
    assert (len(body["items"]), body["counts"]) == (3000, {items[0].status.value: 3000})
    assert RequestView.model_validate(body).items[-1].project == "p2999"
