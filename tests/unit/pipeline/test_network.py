"""What a build called for: named in the report, beside the cause or as the cause, and what to do instead."""

from pathlib import Path

import pytest
from tests.fakes.engine import MemoryEngine, Script, ScriptedAgent
from tests.unit.pipeline_harness import PURE, make_harness, make_wheel

from wheelyard.domain.builds.network import calls_in_log, name_calls, network_warnings
from wheelyard.domain.healing.log_findings import explain, read_findings
from wheelyard.errors import NetworkCall, UntrustedOutputError
from wheelyard.pipeline.build import build
from wheelyard.pipeline.job import known

FILES = NetworkCall(host="files.example.invalid", port=443)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("curl: (6) Could not resolve host: files.example.invalid", "files.example.invalid"),
        ("curl: (7) Failed to connect to 192.0.2.1 port 8080: Network is unreachable", "192.0.2.1:8080"),
        ("fatal: unable to access 'https://git.example/x.git/': no", "git.example"),
        ("fatal: unable to access 'https://git.example:8443/x.git/': no", "git.example:8443"),
        ("HTTPSConnectionPool(host='a.example', port=443): Max retries", "a.example:443"),
        ("wget: unable to resolve host address 'a.example'", "a.example"),
        ("getaddrinfo(3) failed for download.example:443", "download.example:443"),
        ("nothing of the kind", ""),
    ],
)
def test_programs_say_what_they_called_for(line: str, named: str) -> None:
    assert name_calls(calls_in_log(line)) == named


def test_host_is_named_once_with_its_port() -> None:
    assert name_calls([NetworkCall(host=FILES.host, port=None), FILES, FILES]) == "files.example.invalid:443"
    assert name_calls([NetworkCall(host="2001:db8::1", port=80)]) == "[2001:db8::1]:80"


def test_many_hosts_are_counted() -> None:
    assert name_calls([NetworkCall(host=f"h{n}.example", port=1) for n in range(8)]).endswith(" and 3 more")


def test_nothing_called_for_is_no_warning() -> None:
    assert network_warnings((), stage="build") == ()


def test_calls_alone_are_a_cause() -> None:
    cause, remedy = explain(read_findings("it failed", [FILES]), [FILES])
    assert cause.endswith("which builds do not have (files.example.invalid:443)")
    assert "sources (url, sha256, to)" in remedy


def test_calls_stand_beside_a_cause_that_the_log_names() -> None:
    cause, remedy = explain(read_findings("fatal error: yaml.h: No such file or directory", [FILES]), [FILES])
    assert cause == "the C header yaml.h is missing"
    assert "It also called for files.example.invalid:443" in remedy


async def test_build_that_succeeds_all_the_same_has_a_warning(tmp_path: Path) -> None:
    harness = make_harness(tmp_path)
    harness.engine = MemoryEngine(_calling([{"host": FILES.host, "port": 443}]))
    (warning,) = known((await build(harness.prepared, harness.tools)).built).warnings
    assert warning.startswith(
        "In the build stage its code called for files.example.invalid:443, and there is no network."
    )
    assert f"==> warning: {warning}" in harness.log.text


@pytest.mark.parametrize(
    "calls",
    ["x", [{}], [{"host": "a\nb", "port": 1}], [{"host": "a.b\n", "port": 1}], [{"host": "a", "port": 0}], [1] * 500]
)  # fmt: skip
async def test_calls_that_no_agent_reports_are_refused(tmp_path: Path, calls: object) -> None:
    harness = make_harness(tmp_path)
    harness.engine = MemoryEngine(_calling(calls))
    with pytest.raises(UntrustedOutputError):
        await build(harness.prepared, harness.tools)


def _calling(calls: object) -> Script:
    async def script(agent: ScriptedAgent) -> None:
        await agent.receive()
        agent.send_file(PURE, make_wheel())
        agent.send("report", wheel=PURE, epoch=315532800, sources=[], network=calls)

    return script
