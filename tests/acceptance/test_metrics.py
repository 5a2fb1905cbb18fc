"""A real Prometheus understands the service's metrics, and each panel of the Grafana dashboard shows something."""

import subprocess
from pathlib import Path

from tests.acceptance.conftest import StartService
from tests.acceptance.processes import wait_for
from tests.acceptance.prometheus_harness import Prometheus, dashboard_queries, program, scraping
from tests.acceptance.upstream import Upstream


def test_each_panel_of_the_dashboard_has_data_once_there_were_builds(
    start_spare: StartService, upstream: Upstream, tmp_path: Path
) -> None:
    first, second = upstream.add("measuredfirst"), upstream.add("measuredsecond")
    queries = dashboard_queries()
    assert len(queries) > 20

    with start_spare() as spare:
        assert spare.finished(spare.submit(first)["id"])["status"] == "succeeded"
        with scraping(spare, tmp_path) as prometheus:
            # A series that is new has no rate, so what is shown needs a second build that Prometheus sees happen.
            _wait_for_data(prometheus, 'wheelyard_builds_ended_total{status="succeeded"}')
            _wait_for_data(prometheus, "wheelyard_worker_disk_free_bytes")
            assert spare.finished(spare.submit(second)["id"])["status"] == "succeeded"
            _wait_for_data(prometheus, 'increase(wheelyard_builds_ended_total{status="succeeded"}[10m]) > 0')
            _wait_for_data(prometheus, 'increase(wheelyard_cache_lookups_total{result="hit"}[10m]) > 0')
            found = {query: prometheus.numbers(query) for panel in queries.values() for query in panel}
        text = spare.http.get("/metrics").raise_for_status().text

    assert [query for query, values in found.items() if not values] == []
    checked = subprocess.run(
        [program("promtool"), "check", "metrics"], input=text, capture_output=True, check=False, text=True
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def _wait_for_data(prometheus: Prometheus, expression: str) -> None:
    wait_for(f"data of {expression}", lambda: prometheus.numbers(expression), seconds=90)
