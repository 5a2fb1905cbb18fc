"""Parts on hosts of their own: one database, one devpi and one API; workers with their own networks and state."""

import asyncio
import re
import secrets
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.acceptance.hosts import database_on, open_network
from tests.acceptance.installed import installed_program
from tests.acceptance.processes import wait_for
from tests.acceptance.running_service import BUILD_SECONDS, ELSEWHERE, FINAL, START_SECONDS, STOP_SECONDS, Launch
from tests.acceptance.upstream import SLOW, Upstream, open_upstream

from wheelyard.adapters.servers.postgres import EmbeddedPostgres
from wheelyard.adapters.servers.processes import ChildCommand, spawn
from wheelyard.assembly.worker import worker_name
from wheelyard.settings import Settings

Document = dict[str, Any]


@dataclass(kw_only=True)
class Site:
    """The parts that run, and how others are started."""

    upstream: Upstream
    settings: Mapping[str, str]
    make_state_dir: Callable[[], Path]
    hosts: tuple[tuple[str, ...], ...]
    parts: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    http: httpx.Client = field(default_factory=httpx.Client)

    def start(self, *command: str, host: tuple[str, ...] = (), **settings: str) -> "Part":
        """Start a part on a host, with a state directory of its own."""
        launch = Launch(state_dir=self.make_state_dir(), settings={**self.settings, **settings})
        program = ("/usr/bin/env", *host, str(installed_program()), *command)
        child = ChildCommand(argv=program, environment=launch.environment, directory=ELSEWHERE)
        process = spawn(child, log=launch.log)
        self.parts.append(process)
        return Part(launch=launch, process=process)

    def submit(self, project: str, act: str = "pass") -> str:
        """Ask for a wheel of a new project and return the build's id."""
        response = self.http.post("/v1/builds", json={"requirement": self.upstream.add(project, act)})
        return str(response.raise_for_status().json()["id"])

    def build(self, build_id: str) -> Document:
        document: Document = self.http.get(f"/v1/builds/{build_id}").raise_for_status().json()
        return document

    def finished(self, build_id: str) -> Document:
        """Wait until a build is over, which must have a wheel then."""
        look = lambda: build if (build := self.build(build_id))["status"] in FINAL else None  # noqa: E731
        build = wait_for(f"the end of {build_id}", look, seconds=BUILD_SECONDS)
        assert build["status"] == "succeeded", build["failure"]
        return build

    def workers(self) -> dict[str, Document]:
        """Read what the API says of the workers, by name."""
        listed = self.http.get("/v1/workers").raise_for_status().json()
        return {worker["name"]: worker for worker in listed}


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One process of the service."""

    launch: Launch
    process: "subprocess.Popen[bytes]"

    def said(self, pattern: str) -> str:
        """Wait until it says something, and return the part in parentheses."""

        def look() -> str | None:
            text = self.launch.log.read_text()
            assert self.process.poll() is None, text
            found = re.search(pattern, text)
            return found[1] if found else None

        return wait_for(pattern, look, seconds=START_SECONDS)

    @property
    def worker(self) -> str:
        """The name that a worker has on this state directory."""
        return worker_name(Settings(state_dir=self.launch.state_dir))

    def stop(self) -> str:
        """Tell it to stop, wait, and return what it has said."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(STOP_SECONDS) == 0, self.launch.log.read_text()
        return self.launch.log.read_text()


@pytest.fixture
async def site(make_state_dir: Callable[[], Path]) -> AsyncIterator[Site]:
    """Give a service whose parts are spread over hosts, without a worker yet."""
    with ExitStack() as stack:
        network = stack.enter_context(open_network())
        upstream = stack.enter_context(open_upstream(network.address))
        async with EmbeddedPostgres(make_state_dir()) as url, database_on(network.address, url) as database_url:
            passwords = {name: secrets.token_hex(16) for name in ("INDEX_PASSWORD", "STAGING_PASSWORD")}
            common = {"UPSTREAM_INDEX_URL": upstream.url, "REFRESH_INTERVAL_HOURS": "0", "LEASE_SECONDS": "4"}
            site = Site(
                upstream=upstream,
                settings=passwords | common,
                make_state_dir=make_state_dir,
                hosts=network.hosts,
            )
            try:
                await asyncio.to_thread(_open, site, network.address, database_url)
                yield site
            finally:
                await asyncio.to_thread(_close, site)


def _open(site: Site, address: str, database_url: str) -> None:
    devpi = site.start("devpi", "--host", address, "--port", "0")
    index_url = devpi.said(r"devpi on (\S+)")
    site.settings = {**site.settings, "DATABASE_URL": database_url, "INDEX_URL": index_url}
    # The API's host needs no engine: whatever it says of one comes from the workers.
    api = site.start("serve", ENGINE="no-engine-on-this-host")
    url = api.said(r"API on (\S+)")
    token = api.launch.cli("token", "create", "tests").stdout.strip()
    site.http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=60)


def _close(site: Site) -> None:
    site.http.close()
    for part in reversed(site.parts):
        part.terminate()
        part.wait(STOP_SECONDS)


async def test_workers_on_two_hosts_share_a_queue_and_hand_over(site: Site) -> None:
    await asyncio.to_thread(_assert_queue_is_shared, site)


def _assert_queue_is_shared(site: Site) -> None:
    first, second = site.hosts
    elsewhere = site.start("worker", host=first, WORKER_SUITES='["trixie"]')
    able = site.start("worker", host=second, WORKER_SUITES='["bookworm"]', DRAIN_SECONDS="0")
    wait_for("both workers", lambda: {elsewhere.worker, able.worker} <= set(site.workers()), seconds=START_SECONDS)
    suites = {name: {one["suite"] for one in worker["builders"]} for name, worker in site.workers().items()}
    assert suites == {elsewhere.worker: {"trixie"}, able.worker: {"bookworm"}}
    assert able.launch.cli("worker", "--check").returncode == 0

    assert site.http.get("/readyz").json()["checks"] == {"database": "ok", "index": "ok"}
    built = site.finished(site.submit("onlythere"))
    assert [attempt["worker"] for attempt in built["attempts"]] == [able.worker]

    _expect_images(site)

    elsewhere.stop()
    assert elsewhere.launch.cli("worker", "--check").returncode != 0
    heir = site.start("worker", host=first, DRAIN_SECONDS="0")
    wait_for("the heir", lambda: heir.worker in site.workers(), seconds=START_SECONDS)
    _hand_over(site, able, heir)


def _expect_images(site: Site) -> None:
    """See that the API lists the images that the workers' engine has, each once though both tell of them."""

    def look() -> list[Document]:
        listed = site.http.get("/v1/builders").raise_for_status().json()
        return [image for suite in listed for image in suite["images"] if suite["suite"] == "bookworm"]

    images = wait_for("images", look, seconds=START_SECONDS)
    assert {"builder", "runtime"} <= {image["role"] for image in images}
    assert len({image["id"] for image in images}) == len(images)


def _hand_over(site: Site, leaver: Part, heir: Part) -> None:
    """Stop whichever of the two has a build, in the middle of it; the other must bring it to its end."""
    build_id = site.submit("handedover", SLOW)
    log = f"/v1/builds/{build_id}/log"
    wait_for("the build's own code", lambda: "tick 1" in site.http.get(log).text, seconds=BUILD_SECONDS)
    holder, other = (leaver, heir) if site.build(build_id)["attempts"][0]["worker"] == leaver.worker else (heir, leaver)

    holder.stop()
    build = site.finished(build_id)

    told = [(attempt["worker"], attempt["status"]) for attempt in build["attempts"]]
    assert told == [(holder.worker, "cancelled"), (other.worker, "succeeded")]
    assert site.workers()[holder.worker]["state"] == "stopped"
