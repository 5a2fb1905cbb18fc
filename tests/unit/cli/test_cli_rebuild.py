"""`wheelyard rebuild`: where it finds the provenance, its report and its exit codes. What builds is a function."""

import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from tests.contract.samples import BEGINNING, sample_failure, sample_order
from tests.unit.cli_harness import BUILD_ID, client_of
from tests.unit.pipeline_harness import pack_wheel
from tests.unit.recorded_samples import FILE, predicate_of, provenance_of

from wheelyard.assembly.parts import Parts
from wheelyard.cli.comparison.rebuild import RebuildOptions, rebuild_file
from wheelyard.cli.problem import ExitCode
from wheelyard.domain.builds.build import Build, Status
from wheelyard.domain.provenance.recorded import RecordedBuild
from wheelyard.errors import FileExistsAlreadyError, NotRebuildableError
from wheelyard.settings import Settings

METADATA = {"pyyaml-6.0.3.dist-info/METADATA": b"Metadata-Version: 2.4\nName: pyyaml\nVersion: 6.0.3\n"}
WHEEL = pack_wheel(FILE, {**METADATA, "yaml.py": b"one = 1\n"})
OTHER = pack_wheel(FILE, {**METADATA, "yaml.py": b"one = 2\n"})
NOTHING = RebuildOptions(provenance=None, keep=None, folder=None, url=None)


@dataclass(kw_only=True)
class Workshop:
    """What a rebuild comes to."""

    content: bytes = WHEEL
    status: Status = Status.SUCCEEDED
    not_as_recorded: tuple[str, ...] = ()
    folder: Path = Path()

    async def build(self, recorded: RecordedBuild, *, show: Callable[[bytes], None]) -> Build:
        show(b"building\n")
        if self.status is Status.SUCCEEDED:
            (self.folder / recorded.filename).write_bytes(self.content)
        return Build(
            id=BUILD_ID,
            order=replace(sample_order()),
            status=self.status,
            stage=None,
            created_at=BEGINNING,
            started_at=BEGINNING,
            finished_at=BEGINNING + timedelta(seconds=42),
            cancel_requested=False,
            attempts=(),
            failure=None if self.status is Status.SUCCEEDED else sample_failure(),
            wheel=None,
        )

    def changes(self, recorded: RecordedBuild) -> tuple[str, ...]:
        del recorded
        return self.not_as_recorded


@pytest.fixture
def workshop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Workshop:
    made = Workshop()

    async def make_parts(settings: Settings) -> Parts:
        return Parts(settings)

    @asynccontextmanager
    async def open_rebuild(
        parts: Parts, recorded: RecordedBuild, *, recipes: object, keep: Path
    ) -> AsyncIterator[Workshop]:
        del parts, recorded, recipes
        made.folder = keep
        yield made

    monkeypatch.setenv("WHEELYARD_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("WHEELYARD_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("wheelyard.cli.comparison.rebuild.make_parts", make_parts)
    monkeypatch.setattr("wheelyard.cli.comparison.rebuild.open_rebuild", open_rebuild)
    monkeypatch.setattr("wheelyard.cli.comparison.rebuild.configure_logs", lambda **_: None)
    return made


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """Give a wheel with its provenance beside it."""
    path = tmp_path / FILE
    path.write_bytes(WHEEL)
    (tmp_path / f"{FILE}.provenance.json").write_bytes(provenance())
    return path


def provenance() -> bytes:
    return provenance_of(predicate_of(sample_order()), sha256=hashlib.sha256(WHEEL).hexdigest())


def test_same_bytes_are_reported_in_words(
    wheel: Path, workshop: Workshop, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert rebuild_file(str(wheel), replace(NOTHING, keep=tmp_path / "new" / "again"), as_json=False) is ExitCode.OK
    shown = capsys.readouterr()
    assert "the two wheels are the same file, byte for byte" in shown.out
    assert "| building" in shown.err
    assert "built again, it has the same bytes" in shown.err
    assert (tmp_path / "new" / "again" / FILE).read_bytes() == WHEEL
    assert not workshop.folder.exists(), "what was not asked for is removed"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ((), "different although it was built from all that was recorded; a person should look at it"),
        (("libc6 2 in place of 1",), "different, but was not built from all that was recorded"),
    ],
)
def test_other_bytes_are_a_failure_and_each_difference_is_told(
    wheel: Path, workshop: Workshop, capsys: pytest.CaptureFixture[str], changes: tuple[str, ...], sentence: str
) -> None:
    workshop.content, workshop.not_as_recorded = OTHER, changes
    assert rebuild_file(str(wheel), NOTHING, as_json=False) is ExitCode.BUILD_FAILED
    shown = capsys.readouterr()
    assert "      yaml.py" in shown.out
    assert ("  not as recorded: 1 thing\n    libc6 2 in place of 1\n" in shown.out) is bool(changes)
    assert sentence in " ".join(shown.err.split())


def test_document_has_changes_and_differences(
    wheel: Path, workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    workshop.content, workshop.not_as_recorded = OTHER, ("libc6 2 in place of 1",)
    assert rebuild_file(str(wheel), NOTHING, as_json=True) is ExitCode.BUILD_FAILED
    told = json.loads(capsys.readouterr().out)
    assert (told["identical"], told["changes"]) == (False, ["libc6 2 in place of 1"])
    assert {one["name"] for one in told["comparison"]["differences"]} >= {"yaml.py"}


@pytest.mark.parametrize("form", ["text", "json"])
def test_build_that_fails_is_reported_as_builds_are(
    wheel: Path, workshop: Workshop, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    workshop.status = Status.FAILED
    assert rebuild_file(str(wheel), NOTHING, as_json=form == "json") is ExitCode.BUILD_FAILED
    assert sample_failure().summary in capsys.readouterr().out


def test_provenance_may_be_elsewhere(wheel: Path, workshop: Workshop, tmp_path: Path) -> None:
    del workshop
    elsewhere = (tmp_path / f"{FILE}.provenance.json").rename(tmp_path / "elsewhere.json")
    assert rebuild_file(str(wheel), replace(NOTHING, provenance=elsewhere), as_json=False) is ExitCode.OK
    with pytest.raises(NotRebuildableError, match="beside it, and no service to ask: No Wheelyard answers"):
        rebuild_file(str(wheel), NOTHING, as_json=False)
    with pytest.raises(NotRebuildableError, match=r"missing\.json cannot be read"):
        rebuild_file(str(wheel), replace(NOTHING, provenance=tmp_path / "missing.json"), as_json=False)


@pytest.mark.parametrize("status", [200, 404])
def test_provenance_is_asked_of_the_service_if_none_is_beside_the_wheel(
    wheel: Path, workshop: Workshop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, status: int
) -> None:
    del workshop
    (tmp_path / f"{FILE}.provenance.json").unlink()
    paths: list[str] = []

    def act(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path)
        return httpx.Response(status, content=provenance())

    monkeypatch.setattr("wheelyard.cli.comparison.rebuild.open_client", lambda _: client_of(act))
    if status == 200:
        assert rebuild_file(str(wheel), NOTHING, as_json=False) is ExitCode.OK
    else:
        with pytest.raises(NotRebuildableError, match="beside it, nor on the service's index"):
            rebuild_file(str(wheel), NOTHING, as_json=False)
    assert paths == [f"/integrity/pyyaml/6.0.3/{FILE}/provenance"]


def test_wheel_is_never_replaced_by_the_new_one(wheel: Path, workshop: Workshop) -> None:
    workshop.content = OTHER
    with pytest.raises(FileExistsAlreadyError):
        rebuild_file(str(wheel), replace(NOTHING, keep=wheel.parent), as_json=False)
    assert wheel.read_bytes() == WHEEL


def test_wheel_that_is_not_there_is_said(workshop: Workshop) -> None:
    del workshop
    with pytest.raises(NotRebuildableError, match="there is no such file"):
        rebuild_file("missing/demo.whl", NOTHING, as_json=False)
