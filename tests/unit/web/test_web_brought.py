"""What pages say of a wheel that others built: its stages, its audit, and who brought it."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.contract.samples import sample_failure, sample_timings, sample_wheel
from tests.unit.pipeline_harness import pack_wheel
from tests.unit.web_harness import TOKEN, SeenPage, WebHarness, stage_note, web_harness

from wheelyard.domain.builds.build import Failure, Proof, ProofResult, Stage, Status
from wheelyard.domain.builds.records import Outcome
from wheelyard.domain.healing.findings import Finding, FindingKind
from wheelyard.usecases.uploads.bring_file import UploadClaims

NAME = "demo-1.0-py3-none-any.whl"
FINDINGS = (
    Finding(kind=FindingKind.TAG_TOO_OLD, name="x.so", cause="x.so: it needs <GLIBC_2.38>", remedy="Build it on old."),
    Finding(kind=FindingKind.GIL_ENABLED, name="y.so", cause="y.so: it switches the GIL on", remedy="Declare it."),
)
REFUSED = replace(
    sample_failure(),
    stage=Stage.VERIFY,
    code="verify-failed",
    summary="demo 1.0 does not work.",
    findings=FINDINGS,
    changes=("Its tag was old, and is new.",),
    proofs=(
        ProofResult(place="bookworm with Python 3.13"),
        ProofResult(place="trixie with Python 3.13", failure="It does not import."),
    ),
)


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[WebHarness]:
    async with web_harness(tmp_path) as made:
        await made.sign_in()
        yield made


def words(page: SeenPage) -> str:
    return " ".join(page.text.split())


def wheel(filename: str = NAME, **members: bytes) -> bytes:
    """Make a wheel whose metadata is that of its name."""
    name, version = filename.split("-")[:2]
    metadata = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n".encode()
    return pack_wheel(filename, {f"{name}-{version}.dist-info/METADATA": metadata, f"{name}.py": b"", **members})


async def bring(harness: WebHarness, name: str = NAME) -> str:
    """Bring a wheel as its API would; gives its build's id."""
    uploads = harness.api.services.uploads
    with uploads.receive("bringer") as file:
        file.write(wheel(name))
        token = (await harness.api.services.sessions.sign_in(TOKEN, address="here")).token
        upload = await uploads.bring(file, name, UploadClaims(), by=token)
    assert upload.build_id is not None
    return upload.build_id


async def refuse(harness: WebHarness, build_id: str, failure: Failure = REFUSED) -> None:
    claim = await harness.api.claim(build_id)
    await harness.api.attempts.append_log(claim, stage_note(Stage.BUILD, 1) + stage_note(Stage.VERIFY, 2))
    outcome = Outcome(status=Status.FAILED, failure=failure, timings=sample_timings())
    assert await harness.api.attempts.finish(claim, outcome)


async def publish(harness: WebHarness, build_id: str, *, filename: str = NAME, changes: tuple[str, ...] = ()) -> None:
    proof = Proof(suite="bookworm", python="3.13", platform="p", imported_modules=("demo",), runtime_image="i")
    digest = hashlib.sha256(b"x").hexdigest()
    made = replace(sample_wheel(), filename=filename, sha256=digest, changes=changes, proofs=(proof,))
    claim = await harness.api.claim(build_id)
    assert await harness.api.attempts.finish(claim, Outcome(status=Status.SUCCEEDED, wheel=made))


async def test_stages_of_a_brought_wheel_are_those_that_it_goes_through(harness: WebHarness) -> None:
    build_id = await bring(harness)
    await refuse(harness, build_id)
    page = await harness.see(f"/builds/{build_id}")
    text = words(page)
    for told in ("check Compares its name", "prove", "changes what is wrong", "wherever its tags say"):
        assert told in text.replace(" not reached", "").replace(" failed", ""), told
    for untrue in ("backend", "sdist", "Sdist", "built on"):
        assert untrue not in text
    assert f"{NAME} · audited on" in text
    assert "by tests (" in text
    for path in (f"/builds/{build_id}", f"/builds/{build_id}/log?from=1"):
        folds = await harness.see(path)
        assert [one["data-stage"] for one in folds.find("details", class_="fold")] == ["build", "verify"]
        assert "build 09:00:01 1 line" not in words(folds)
        assert "check 09:00:01" in words(folds)


async def test_refused_wheel_has_its_audit(harness: WebHarness) -> None:
    build_id = await bring(harness)
    await refuse(harness, build_id)
    page = await harness.see(f"/builds/{build_id}")
    text = words(page)
    assert "demo 1.0 refused" in text
    assert "Why it was refused" in text
    assert "tag-too-old x.so: it needs <GLIBC_2.38> Build it on old." in text
    assert "gil-enabled y.so: it switches the GIL on Declare it." in text
    assert "What repair changed Its tag was old, and is new." in text
    assert "passed bookworm with Python 3.13" in text
    assert "failed trixie with Python 3.13 : It does not import." in text.replace("3.13:", "3.13 :")
    assert "verify-failed in stage prove" in text
    assert "glibc_2.38" not in {tag for tag, _ in page.tags}


async def test_wheel_that_is_refused_before_repair_and_proof_says_so(harness: WebHarness) -> None:
    build_id = await bring(harness)
    assert "Audit" not in words(await harness.see(f"/builds/{build_id}")).split()
    await refuse(harness, build_id, replace(REFUSED, stage=Stage.REPAIR, changes=(), proofs=()))
    text = words(await harness.see(f"/builds/{build_id}"))
    assert "What repair changed Nothing. Where it was proven Nowhere." in text


async def test_published_wheel_has_its_audit(harness: WebHarness) -> None:
    build_id = await bring(harness)
    await publish(harness, build_id)
    text = words(await harness.see(f"/builds/{build_id}"))
    assert "demo 1.0 published" in text
    assert "Nothing. It is byte for byte the wheel that was brought." in text
    assert "Proven on bookworm with Python 3.13." in text


async def test_build_from_an_sdist_has_its_own_words(harness: WebHarness) -> None:
    text = words(await harness.see(f"/builds/{await harness.failed()}"))
    assert "Runs the build backend" in text
    assert "Why it failed" in text
    assert "Audit" not in text.split()
