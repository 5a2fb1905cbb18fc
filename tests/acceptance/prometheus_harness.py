"""A real Prometheus that scrapes a service as the shipped configuration says. Ends with the block."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
from tests.acceptance.processes import free_port, wait_for
from tests.acceptance.running_service import RunningService

_ROOT: Final = Path(__file__).parents[2]
_UNPACKED: Final = _ROOT / ".venv" / "prometheus" / "usr" / "bin"
_CONFIG: Final = _ROOT / "packaging" / "prometheus" / "prometheus.yml"
DASHBOARD: Final = _ROOT / "packaging" / "grafana" / "wheelyard.json"


def program(name: str) -> str:
    """Find Prometheus' programs: installed, or where the set-up has unpacked them."""
    found = shutil.which(name) or shutil.which(name, path=str(_UNPACKED))
    assert found is not None, f"{name} is missing: tools/setup.py --with-prometheus"
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Prometheus:
    """One that runs."""

    url: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Ask for the present value of an expression: one result for each series."""
        response = httpx.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=30, trust_env=False)
        assert response.is_success, f"{expression}: {response.text}"
        results: list[dict[str, Any]] = response.json()["data"]["result"]
        return results

    def numbers(self, expression: str) -> list[float]:
        """Ask for an expression's values that are numbers: a share of nothing is none."""
        values = [float(result["value"][1]) for result in self.query(expression)]
        return [value for value in values if value == value]  # noqa: PLR0124  (NaN is not itself)


@contextmanager
def scraping(service: RunningService, folder: Path) -> Iterator[Prometheus]:
    """Let a Prometheus scrape a service each second."""
    token = service.cli("token", "create", "prometheus", "--scope", "read")
    assert token.returncode == 0, token.stderr
    secret, config = folder / "metrics_token", folder / "prometheus.yml"
    secret.write_text(token.stdout)
    text = _CONFIG.read_text()
    for shipped, ours in (
        ("/run/secrets/metrics_token", str(secret)),
        ("api:8123", service.url.removeprefix("http://")),
        ("scrape_interval: 15s", "scrape_interval: 1s"),
    ):
        assert text.count(shipped) == 1
        text = text.replace(shipped, ours)
    config.write_text(text)
    subprocess.run([program("promtool"), "check", "config", str(config)], check=True, capture_output=True, text=True)
    address = f"127.0.0.1:{free_port()}"
    flags = [f"--config.file={config}", f"--storage.tsdb.path={folder}/data", f"--web.listen-address={address}"]
    with (
        (folder / "prometheus.log").open("wb") as log,
        subprocess.Popen([program("prometheus"), *flags], stdout=log, stderr=log) as process,
    ):
        try:
            prometheus = Prometheus(url=f"http://{address}")
            wait_for("Prometheus' first scrape", lambda: _has_scraped(prometheus), seconds=60)
            yield prometheus
        finally:
            process.terminate()


def _has_scraped(prometheus: Prometheus) -> bool:
    """Ask whether it is ready (it answers 503 while it reads its own data at the start) and has seen the service."""
    try:
        is_ready = httpx.get(f"{prometheus.url}/-/ready", timeout=30, trust_env=False).is_success
    except httpx.TransportError:
        return False
    return is_ready and prometheus.numbers("up") == [1.0]


def dashboard_queries() -> dict[str, list[str]]:
    """List each panel's queries, by its title, with what Grafana puts in for its variables."""
    panels = [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]
    return {
        panel["title"]: [
            target["expr"].replace("$__rate_interval", "2m").replace("$__range", "10m") for target in panel["targets"]
        ]
        for panel in panels
    }
