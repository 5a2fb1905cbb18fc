"""`wheelyard compare`: its report, its exit codes, and wheels that are only on the service's index."""

import hashlib
import json
from pathlib import Path

import httpx
import pytest
from tests.unit.cli_harness import client_of
from tests.unit.pipeline_harness import PURE, make_wheel, pack_wheel
from tests.unit.sdist_files import pack_sdist
from tests.unit.wheel_harness import WheelHarness

from wheelyard.api.schemas.index import IndexedWheelView
from wheelyard.cli.comparison.compare import CompareOptions, compare_file
from wheelyard.cli.problem import ExitCode
from wheelyard.errors import HashMismatchError, NotComparableError

MEMBERS = {
    "demo.py": b"answer = 42\n",
    "demo-1.0.dist-info/METADATA": b"Metadata-Version: 2.4\nName: demo\nVersion: 1.0\n",
}


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WHEELYARD_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "80")


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def options(folder: Path, *, exact: bool = False) -> CompareOptions:
    """Return a wheel and an sdist of one's own to compare with."""
    return CompareOptions(
        other=put(folder / "theirs" / PURE, make_wheel()),
        sdist=put(folder / "demo-1.0.tar.gz", pack_sdist({"demo-1.0/demo.py": b"answer = 42\n"})),
        exact=exact,
    )


def test_report_shows_what_to_look_at_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours = put(tmp_path / PURE, pack_wheel(PURE, {**MEMBERS, "demo_extra.py": b"evil = 1\n"}))
    assert compare_file(str(ours), options(tmp_path), as_json=False) is ExitCode.BUILD_FAILED
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [
        PURE,
        f"  beside   {PURE}",
        "  and      demo-1.0.tar.gz",
        "  same     3 files",
        "",
        "  look at: 2 differences",
        "    file-from-nowhere: it is not in the other wheel and the sdist",
        "      demo_extra.py",
        "    other-modules: only this wheel has it",
        "      demo_extra",
        "",
        "  explained: 1 difference",
        "    file-changed: the metadata differ",
        "      demo-1.0.dist-info/RECORD",
    ]
    assert "2 differences that nothing explains" in shown.err


def test_document_has_every_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours = put(tmp_path / PURE, make_wheel())
    assert compare_file(str(ours), options(tmp_path, exact=True), as_json=True) is ExitCode.OK
    assert json.loads(capsys.readouterr().out) == {
        "wheel": PURE,
        "other": PURE,
        "sdist": "demo-1.0.tar.gz",
        "identical_files": 4,
        "is_identical": True,
        "differences": [],
    }


@pytest.mark.parametrize(
    ("wheel", "given", "reason"),
    [
        ("missing/demo.whl", CompareOptions(), "there is no such file"),
        ("demo.tar.gz", CompareOptions(), "there is no such file"),
        (PURE, CompareOptions(sdist=Path("missing.tar.gz")), "there is no file missing.tar.gz"),
        (PURE, CompareOptions(exact=True), "--exact needs another wheel"),
    ],
)
def test_what_is_not_there_is_said(wheel: str, given: CompareOptions, reason: str) -> None:
    with pytest.raises(NotComparableError, match=reason):
        compare_file(wheel, given, as_json=False)


def serve(monkeypatch: pytest.MonkeyPatch, content: bytes, digest: str) -> None:
    """Let the command find a service that has one wheel."""
    document = IndexedWheelView.of(WheelHarness().put(PURE)).model_dump(mode="json")
    view = {**document, "sha256": digest}

    def act(request: httpx.Request) -> httpx.Response:
        is_file = request.url.path.startswith("/files/")
        return httpx.Response(200, stream=httpx.ByteStream(content)) if is_file else httpx.Response(200, json=view)

    monkeypatch.setattr("wheelyard.cli.comparison.files.open_client", lambda _: client_of(act))


def test_wheel_of_the_index_is_fetched_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = make_wheel()
    serve(monkeypatch, content, hashlib.sha256(content).hexdigest())
    assert compare_file(PURE, options(tmp_path), as_json=False) is ExitCode.OK


def test_wheel_that_arrives_altered_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(monkeypatch, make_wheel(), "0" * 64)
    with pytest.raises(HashMismatchError):
        compare_file(PURE, options(tmp_path), as_json=False)
