"""An upload that was answered with success is finished, whatever dies, and is listed only once it is proven."""

import asyncio
import hashlib
import re
from typing import Final

import httpx
import pytest
from tests.acceptance.processes import wait_for
from tests.acceptance.upstream import QUICK, make_sdist
from tests.contract.samples import TARGET
from tests.faults.cluster import Cluster, Part, stopwatch
from tests.faults.faults import API_KILLED, WORKER_KILLED, Fault, Victim
from tests.faults.report import Recovery
from tests.unit.pipeline_harness import pack_wheel


@pytest.mark.parametrize("stage", ["verify", "uploaded"])
async def test_upload_that_was_answered_survives(cluster: Cluster, recoveries: list[Recovery], stage: str) -> None:
    recoveries.append(await asyncio.to_thread(_assert_survived, cluster, WORKER_KILLED, stage))


@pytest.mark.parametrize("fault", [WORKER_KILLED, API_KILLED], ids=lambda one: one.name)
async def test_sdist_that_was_answered_becomes_its_wheel_and_is_listed_with_it(
    cluster: Cluster, recoveries: list[Recovery], fault: Fault
) -> None:
    recoveries.append(await asyncio.to_thread(_assert_built, cluster, fault))


def _assert_built(cluster: Cluster, fault: Fault) -> Recovery:
    cluster.until_well()
    project = "sdist" + re.sub("[^a-z]", "", fault.name.lower())
    name, content = f"{project}-1.0.tar.gz", make_sdist(project, QUICK)
    targets = {"pythons": TARGET.python, "platforms": TARGET.platform}
    cluster.hold("verify", project)
    answer = _send(cluster, name, content, **targets)
    assert answer.status_code == httpx.codes.ACCEPTED, answer.text
    request_id = str(answer.json()["request_id"])
    build_id = wait_for("the build of the sdist", lambda: _build_of(cluster, request_id), seconds=60)
    victim = Victim(build_id=build_id, worker=cluster.until_held(build_id, "verify"), stage="verify")
    with stopwatch() as elapsed, fault.strike(cluster, victim):
        cluster.release()
        build = cluster.finished(build_id)
        seconds = elapsed()
    cluster.until_well()
    assert build["status"] == "succeeded", build["failure"]
    codes = [attempt["failure"]["code"] for attempt in cluster.build(build_id)["attempts"][:-1]]
    assert fault.allows(codes), codes
    wait_for("the sdist on the index", lambda: _file(cluster, name)["state"] == "published", seconds=60)
    accept = {"Accept": "application/vnd.pypi.simple.v1+json"}
    page = cluster.http.get(f"/simple/{project}/", headers=accept).raise_for_status().json()
    listed = {one["filename"]: one["hashes"]["sha256"] for one in page["files"]}
    assert listed == {build["wheel"]["filename"]: build["wheel"]["sha256"], name: hashlib.sha256(content).hexdigest()}
    assert cluster.http.get(f"/files/{name}").raise_for_status().content == content
    assert _send(cluster, name, content, **targets).json()["request_id"] == request_id
    cluster.assert_nothing_left(build_id)
    outcome = ", ".join([*codes, "succeeded"])
    return Recovery(fault=f"upload of an sdist: {fault.name}", stage="verify", outcome=outcome, seconds=seconds)


def _build_of(cluster: Cluster, request_id: str) -> str | None:
    (item,) = cluster.http.get(f"/v1/requests/{request_id}").raise_for_status().json()["items"]
    return item["build_id"] and str(item["build_id"])


def _file(cluster: Cluster, name: str) -> dict[str, object]:
    return dict(cluster.http.get(f"/v1/files/{name}").raise_for_status().json())


def _wheel(project: str) -> tuple[str, bytes]:
    name = f"{project}-1.0-py3-none-any.whl"
    metadata = f"Metadata-Version: 2.4\nName: {project}\nVersion: 1.0\nRequires-Python: >=3.13\n".encode()
    return name, pack_wheel(name, {f"{project}-1.0.dist-info/METADATA": metadata, f"{project}.py": b"answer = 42\n"})


def _send(cluster: Cluster, name: str, content: bytes, **targets: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {_publisher(cluster.parts['api'])}"}
    query = {"filename": name, "wait": "false", **targets}
    return cluster.http.post("/v1/files", params=query, content=content, headers=headers)


_TOKENS: Final[dict[str, str]] = {}


def _publisher(api: Part) -> str:
    """Return a token that may upload, made once for each cluster."""
    key = str(api.launch.state_dir)
    if key not in _TOKENS:
        _TOKENS[key] = api.launch.cli("token", "create", "publisher", "--scope", "operate").stdout.strip()
    return _TOKENS[key]


def _assert_survived(cluster: Cluster, fault: Fault, stage: str) -> Recovery:
    cluster.until_well()
    project = "brought" + re.sub("[^a-z]", "", f"{fault.name}{stage}".lower())
    name, content = _wheel(project)
    cluster.hold(stage, project)
    answer = _send(cluster, name, content)
    assert answer.status_code == httpx.codes.ACCEPTED, answer.text
    build_id = str(answer.json()["build_id"])
    victim = Victim(build_id=build_id, worker=cluster.until_held(build_id, stage), stage=stage)
    assert cluster.http.get(f"/simple/{project}/").status_code == httpx.codes.NOT_FOUND
    with stopwatch() as elapsed, fault.strike(cluster, victim):
        again = _send(cluster, name, content)
        assert again.status_code == httpx.codes.ACCEPTED, again.text
        assert again.json()["build_id"] == build_id
        assert cluster.http.get(f"/simple/{project}/").status_code == httpx.codes.NOT_FOUND
        cluster.release()
        build = cluster.finished(build_id)
        seconds = elapsed()
    cluster.until_well()
    assert build["status"] == "succeeded", build["failure"]
    codes = [attempt["failure"]["code"] for attempt in cluster.build(build_id)["attempts"][:-1]]
    assert fault.allows(codes), codes
    cluster.assert_on_the_index_once(build)
    cluster.assert_nothing_left(build_id)
    again = _send(cluster, name, content)
    assert (again.status_code, again.json()["state"]) == (httpx.codes.OK, "published")
    return Recovery(
        fault=f"upload: {fault.name}", stage=stage, outcome=", ".join([*codes, "succeeded"]), seconds=seconds
    )
