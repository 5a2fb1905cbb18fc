"""``docker-compose.yml``: what it promises can be read off it in every run; 'make test-compose' really brings it up."""

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from tests.acceptance.compose_harness import FILES, ROOT, Stack, find_compose, make_secrets, stack_up
from tests.acceptance.processes import wait_for
from tests.acceptance.running_service import BUILD_SECONDS, FINAL, START_SECONDS
from tests.acceptance.upstream import Upstream, open_upstream

PINNED = re.compile(r"@sha256:[0-9a-f]{64}$")
DOCKERFILES = (ROOT / "Dockerfile", *sorted((ROOT / "packaging").rglob("*Dockerfile")))
Site = tuple[Stack, httpx.Client, Upstream]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Give the stack with both workers at work, a client with a token, and an upstream index that containers reach."""
    with ExitStack() as stack:
        upstream = stack.enter_context(open_upstream("0.0.0.0"))  # noqa: S104 (the bridge's address is not known here)
        seen = upstream.url.replace("0.0.0.0", "host.docker.internal")  # noqa: S104 (as above)
        up = stack.enter_context(stack_up(tmp_path_factory.mktemp("compose"), seen))
        token = up.compose("exec", "-T", "api", "wheelyard", "token", "create", "tests").strip()
        with httpx.Client(base_url=up.url, headers={"Authorization": f"Bearer {token}"}, trust_env=False) as client:
            wait_for("two workers", lambda: len(client.get("/v1/workers").json()) == 2, seconds=START_SECONDS)
            yield up, client, upstream


@pytest.mark.parametrize("files", [FILES[:1], FILES])
def test_compose_takes_the_files(tmp_path: Path, files: tuple[str, ...]) -> None:
    arguments = [part for name in files for part in ("--file", str(ROOT / name))]
    environment = {"PATH": "/usr/bin:/bin:/usr/local/bin", "SECRETS": str(make_secrets(tmp_path / "secrets"))}
    done = subprocess.run(
        [*find_compose(), *arguments, "config", "--quiet"], env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", FILES)
def test_no_registry_is_asked_for_our_names_and_images_of_others_are_pinned(name: str) -> None:
    services = yaml.safe_load((ROOT / name).read_text())["services"]
    images = {key: service for key, service in services.items() if "image" in service}
    assert images
    for key, service in images.items():
        # A registry's "wheelyard/…" is whoever's has taken the name.
        if "wheelyard/" in service["image"]:
            assert (service.get("pull_policy"), "build" in service) == ("build", True), key
        else:
            assert PINNED.search(service["image"]), key


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_image_of_ours_starts_from_a_pinned_one(file: Path) -> None:
    text = file.read_text()
    stages = set(re.findall(r"^FROM .* AS (\S+)$", text, re.MULTILINE))
    outside = set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) - stages
    (base,) = re.findall(r"^ARG BASE=(.*)$", text, re.MULTILINE)
    assert outside == {"${BASE}"}
    assert PINNED.search(base)


@pytest.mark.compose
def test_wheel_is_built_in_the_stack_and_installed_from_its_index(site: Site, tmp_path: Path) -> None:
    up, client, upstream = site
    asked = client.post("/v1/builds", json={"requirement": upstream.add("incompose")}).raise_for_status().json()

    def look() -> dict[str, Any] | None:
        build: dict[str, Any] = client.get(f"/v1/builds/{asked['id']}").raise_for_status().json()
        return build if build["status"] in FINAL else None

    build = wait_for("the build's end", look, seconds=BUILD_SECONDS)
    assert build["status"] == "succeeded", build["failure"]
    url = httpx.URL(up.url).copy_with(username="__token__", password=client.headers["authorization"].split()[1])
    pip = [sys.executable, "-m", "pip", "--isolated", "install", "--no-cache-dir", "--only-binary", ":all:"]
    options = ["--index-url", f"{url}/simple/", "--target", str(tmp_path / "site"), "incompose"]
    done = subprocess.run([*pip, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site/incompose.py").exists()


@pytest.mark.compose
def test_only_workers_reach_the_engine_and_nothing_shows_a_secret(site: Site) -> None:
    up, _, _ = site
    folder = Path(up.environment["SECRETS"])
    secrets = [path.read_text().strip() for path in folder.iterdir()]
    for service in ("postgres", "devpi", "api", "worker-1", "worker-2"):
        (container,) = up.compose("ps", "--quiet", service).split()
        shown = subprocess.run(["docker", "inspect", container], capture_output=True, text=True, check=True).stdout
        facts = json.loads(shown)[0]
        sockets = [mount["Source"] for mount in facts["Mounts"] if mount["Source"].endswith("docker.sock")]
        assert bool(sockets) == service.startswith("worker")
        assert not any(secret in shown for secret in secrets)
        if service != "postgres":
            assert facts["Config"]["User"] == "10001:10001"


@pytest.mark.compose
def test_every_service_becomes_healthy(site: Site) -> None:
    up, _, _ = site
    containers = up.compose("ps", "--quiet").split()

    assert wait_for("healthy services", lambda: _health(*containers) == ["healthy"] * 5, seconds=START_SECONDS)


def _health(*containers: str) -> list[str]:
    command = ["docker", "inspect", "--format", "{{.State.Health.Status}}", *containers]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.compose
def test_api_without_an_engine_is_ready_and_knows_the_workers_images(site: Site) -> None:
    _, client, _ = site
    assert client.get("/readyz").json()["checks"] == {"database": "ok", "index": "ok"}

    def look() -> bool:
        suites = client.get("/v1/builders").raise_for_status().json()
        return any(image["role"] == "builder" for suite in suites for image in suite["images"])

    assert wait_for("the workers' images", look, seconds=BUILD_SECONDS)


@pytest.mark.compose
def test_what_was_lost_is_restored_from_a_backup(site: Site) -> None:
    up, client, _ = site
    listed = client.get("/v1/wheels").raise_for_status().json()
    parts = {"api": "database", "devpi": "devpi"}
    for service, part in parts.items():
        said = up.compose("exec", "-T", service, "wheelyard", "backup", f"/var/backups/wheelyard/{part}", "--json")
        assert json.loads(said)[part] is True

    up.compose("rm", "--stop", "--force")
    project = up.environment["COMPOSE_PROJECT_NAME"]
    lost = [f"{project}_{volume}" for volume in ("postgres", "devpi", "api", "worker-1", "worker-2")]
    subprocess.run(["docker", "volume", "rm", *lost], check=True, capture_output=True)
    up.compose("up", "--detach", "--no-build", "postgres")
    (database,) = up.compose("ps", "--quiet", "postgres").split()
    wait_for("the empty database", lambda: _health(database) == ["healthy"], seconds=START_SECONDS)
    for service, part in parts.items():
        up.compose("run", "--rm", "-T", "--no-deps", service, "restore", f"/var/backups/wheelyard/{part}")
    up.compose("up", "--detach", "--no-build")

    def look() -> bool:
        with suppress(httpx.HTTPError):
            return client.get("/readyz").status_code == 200
        return False

    assert wait_for("the service", look, seconds=START_SECONDS)
    assert client.get("/v1/wheels").raise_for_status().json() == listed
    for wheel in listed["wheels"]:
        assert hashlib.sha256(client.get(wheel["file_url"]).raise_for_status().content).hexdigest() == wheel["sha256"]


@pytest.mark.compose
def test_profile_metrics_scrapes_the_service_with_its_token(site: Site) -> None:
    up, client, upstream = site
    token = up.compose("exec", "-T", "api", "wheelyard", "token", "create", "prometheus", "--scope", "read")
    up.keep_secret("metrics_token", token.strip())
    up.compose("--profile", "metrics", "up", "--detach", "--no-build")
    (container,) = up.compose("--profile", "metrics", "ps", "--quiet", "prometheus").split()

    wait_for("the scrape", lambda: _query(up, 'up{job="wheelyard"}') == [1.0], seconds=START_SECONDS)
    assert client.get("/metrics", headers={"Authorization": "Bearer no-such-token"}).status_code == 401
    wait_for("both workers", lambda: _query(up, 'wheelyard_workers{state="active"}') == [2.0], seconds=START_SECONDS)
    wait_for("its health", lambda: _health(container) == ["healthy"], seconds=START_SECONDS)

    up.compose("stop", "worker-1", "worker-2")
    asked = client.post("/v1/builds", json={"requirement": upstream.add("inthequeue")}).raise_for_status().json()
    wait_for("the queue's depth", lambda: _query(up, "sum(wheelyard_queue_builds)") == [1.0], seconds=START_SECONDS)
    client.post(f"/v1/builds/{asked['id']}/cancel").raise_for_status()
    ended = 'wheelyard_builds_ended_total{status="cancelled"}'
    wait_for("the build's end", lambda: _query(up, ended) == [1.0], seconds=START_SECONDS)


def _query(up: Stack, query: str) -> list[float]:
    """Ask Prometheus for the values of all series that a query gives; before it is there, none."""
    with suppress(httpx.HTTPError):
        answer = httpx.get(f"{up.metrics_url}/api/v1/query", params={"query": query}, trust_env=False)
        return [float(one["value"][1]) for one in answer.raise_for_status().json()["data"]["result"]]
    return []
