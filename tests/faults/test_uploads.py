"""An upload that was answered with success is finished, whatever dies, and is listed only once it is proven."""

import asyncio
import hashlib
import re
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import Final

import httpx
import pytest
from tests.acceptance.processes import wait_for
from tests.acceptance.upstream import QUICK, make_sdist
from tests.contract.samples import TARGET
from tests.faults.cluster import Cluster, Part, stopwatch
from tests.faults.faults import API_KILLED, DATABASE_KILLED, WORKER_KILLED, Fault, Victim
from tests.faults.report import Recovery
from tests.unit.pipeline_harness import pack_wheel

from wheelyard.adapters.store.database import Database
from wheelyard.adapters.store.uploads import PostgresUploadBytes

IN_EVERY_RUN: Final = {(WORKER_KILLED, "verify"), (WORKER_KILLED, "uploaded"), (DATABASE_KILLED, "publish")}
CASES: Final = [
    (fault, stage)
    for fault in (WORKER_KILLED, API_KILLED, DATABASE_KILLED)
    for stage in ("prepare", "repair", "verify", "publish", "uploaded")
]


@pytest.mark.parametrize(
    ("fault", "stage"),
    [
        pytest.param(
            *case, id=f"{case[0].name} at {case[1]}", marks=[] if case in IN_EVERY_RUN else [pytest.mark.slow_faults]
        )
        for case in CASES
    ],
)
async def test_upload_that_was_answered_survives(
    cluster: Cluster, recoveries: list[Recovery], fault: Fault, stage: str
) -> None:
    recoveries.append(await asyncio.to_thread(_assert_survived, cluster, fault, stage))


async def test_api_that_dies_while_it_receives_leaves_nothing(cluster: Cluster) -> None:
    await asyncio.to_thread(_kill_while_receiving, cluster)


async def test_api_that_dies_before_it_submits_leaves_parts_that_are_cleaned_up(cluster: Cluster) -> None:
    await asyncio.to_thread(_kill_before_submit, cluster)
    async with Database(cluster.postgres.url, pool_size=1) as database, database.transaction() as connection:
        await connection.execute(b"update brought_chunks set stored_at = stored_at - interval '25 hours'")
    async with Database(cluster.postgres.url, pool_size=1) as database:
        assert await PostgresUploadBytes(database).drop_chunks(days=90) > 0
    assert cluster.query(_ORPHANS)["count"] == 0


async def test_upload_whose_api_dies_before_the_answer_is_finished(cluster: Cluster) -> None:
    await asyncio.to_thread(_kill_before_answer, cluster)


_ORPHANS: Final = """
select count(distinct file_id) as count from brought_chunks c
where not exists (select from brought_files f where f.id = c.file_id)
"""


def _stored(cluster: Cluster, name: str) -> int:
    return int(cluster.query(f"select count(*) as count from brought_files where filename = '{name}'")["count"])  # noqa: S608


def _restart_api(cluster: Cluster) -> None:
    cluster.parts["api"].kill()
    cluster.release()
    cluster.lines["api"].restore()
    cluster.start_again("api")
    cluster.until_well()


def _kill_while_receiving(cluster: Cluster) -> None:
    cluster.until_well()
    name, content = _wheel("halfsent")
    before, reached = cluster.query(_ORPHANS)["count"], threading.Event()

    def half() -> Iterator[bytes]:
        yield content[: len(content) // 2]
        reached.set()
        cluster.parts["api"].process.wait()
        yield content[len(content) // 2 :]

    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(_send, cluster, name, half())
        assert reached.wait(30)
        time.sleep(0.5)
        _restart_api(cluster)
        with pytest.raises(httpx.TransportError):
            sending.result(60)
    assert (_stored(cluster, name), cluster.query(_ORPHANS)["count"]) == (0, before)
    assert not [*cluster.parts["api"].launch.state_dir.glob("received/*")]
    _assert_published(cluster, name, content, _send(cluster, name, content))


def _kill_before_submit(cluster: Cluster) -> None:
    cluster.until_well()
    name, content = _wheel("notsubmitted")
    line = cluster.lines["api"]
    line.hold_answers_to(b"insert into brought_files")
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(_send, cluster, name, content)
        assert line.held.wait(60)
        _restart_api(cluster)
        with pytest.raises(httpx.TransportError):
            sending.result(60)
    assert _stored(cluster, name) == 0
    assert cluster.query(_ORPHANS)["count"] > 0
    assert cluster.http.get("/simple/notsubmitted/").status_code == httpx.codes.NOT_FOUND
    _assert_published(cluster, name, content, _send(cluster, name, content))


def _kill_before_answer(cluster: Cluster) -> None:
    cluster.until_well()
    name, content = _wheel("unanswered")
    cluster.hold("verify", "unanswered")
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(_send, cluster, name, content, wait=True)
        wait_for("the upload", lambda: _stored(cluster, name), seconds=60)
        cluster.parts["api"].kill()
        with pytest.raises(httpx.TransportError):
            sending.result(60)
    cluster.start_again("api")
    cluster.until_well()
    assert cluster.http.get("/simple/unanswered/").status_code == httpx.codes.NOT_FOUND
    again = _send(cluster, name, content)
    assert _stored(cluster, name) == 1
    cluster.release()
    _assert_published(cluster, name, content, again)


def _assert_published(cluster: Cluster, name: str, content: bytes, answer: httpx.Response) -> None:
    assert answer.is_success, answer.text
    build_id = str(answer.json()["build_id"])
    build = cluster.finished(build_id)
    assert build["status"] == "succeeded", build["failure"]
    cluster.assert_on_the_index_once(build)
    cluster.assert_nothing_left(build_id)
    again = _send(cluster, name, content)
    assert (again.status_code, again.json()["state"]) == (httpx.codes.OK, "published")


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
    answer = _send(cluster, name, content, targets=targets)
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
    assert _send(cluster, name, content, targets=targets).json()["request_id"] == request_id
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


def _send(
    cluster: Cluster,
    name: str,
    content: bytes | Iterator[bytes],
    *,
    wait: bool = False,
    targets: Mapping[str, str] = MappingProxyType({}),
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {_publisher(cluster.parts['api'])}"}
    query = {"filename": name, "wait": str(wait).lower(), **targets}
    return cluster.http.post("/v1/files", params=query, content=content, headers=headers)


def _try_to_send(cluster: Cluster, name: str, content: bytes) -> httpx.Response | None:
    """Send it, and return the answer; None while the API or its database is away, as the fault may have it."""
    try:
        answer = _send(cluster, name, content)
    except httpx.TransportError:
        return None
    return None if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE else answer


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
        again = wait_for("an answer", lambda: _try_to_send(cluster, name, content), seconds=60)
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
