"""`wheelyard verify` with files and with a service that is a function: what holds, what is fetched, what is saved."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from tests.unit.cli_harness import client_of
from tests.unit.signing_samples import BYTES, FILE, NOW, Signed, new_authority, signed_wheel

from wheelyard.cli.problem import ExitCode
from wheelyard.cli.signing.verify import run_verify
from wheelyard.errors import NotVerifiableError, ServerUnreachableError
from wheelyard.interfaces.signing import RevokedSerial
from wheelyard.provenance_check import SUFFIX

DIGEST = hashlib.sha256(BYTES).hexdigest()
PROVENANCE = f"/integrity/demo/1.0/{FILE}/provenance"


@pytest.fixture
async def signed(tmp_path: Path) -> Signed:
    made = await signed_wheel(tmp_path / "authority")
    (tmp_path / "authority.pem").write_bytes(made.authority.pem)
    return made


def page(filename: object = FILE) -> bytes:
    return json.dumps({"files": [{"filename": filename, "hashes": {"sha256": DIGEST}}]}).encode()


def serve(monkeypatch: pytest.MonkeyPatch, answers: Mapping[str, bytes]) -> None:
    """Let the command find a service with these answers by path; everything else is missing there."""

    def act(request: httpx.Request) -> httpx.Response:
        found = answers.get(unquote(request.url.path))
        return httpx.Response(404) if found is None else httpx.Response(200, content=found)

    monkeypatch.setattr("wheelyard.cli.signing.verify.open_client", lambda _: client_of(act))


def verify(  # noqa: PLR0913  (options)
    folder: Path,
    target: Path,
    *,
    index: bool = True,
    save: Path | None = None,
    saved: Path | None = None,
    revoked: tuple[Path, ...] = (),
    as_json: bool = False,
) -> ExitCode:
    return run_verify(
        target,
        authority=folder / "authority.pem",
        revoked=revoked,
        folder=saved,
        index=index,
        save=save,
        as_json=as_json,
        url=None,
    )


def lock(folder: Path, text: str = f"demo==1.0 --hash=sha256:{DIGEST}\n") -> Path:
    file = folder / "requirements.txt"
    file.write_text(text)
    return file


def pem(listed: bytes) -> bytes:
    return x509.load_der_x509_crl(listed).public_bytes(Encoding.PEM)


async def test_what_is_fetched_is_saved_and_holds_offline(
    signed: Signed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = pem(await signed.authority.list_revoked([], now=NOW))
    answers = {"/simple/demo/": page(), PROVENANCE: signed.provenance, "/integrity/revoked.pem": listed}
    serve(monkeypatch, answers)
    saved = tmp_path / "attested"
    assert verify(tmp_path, lock(tmp_path), save=saved) is ExitCode.OK
    said = capsys.readouterr()
    assert "All 1 files hold." in said.out
    assert "no list of revoked" not in said.err
    assert (saved / f"{FILE}{SUFFIX}").read_bytes() == signed.provenance
    serve(monkeypatch, {})
    assert verify(tmp_path, lock(tmp_path), index=False, saved=saved) is ExitCode.OK
    assert "no list of revoked certificates was given" in capsys.readouterr().err


async def test_certificate_in_the_list_of_the_service_or_of_a_file_does_not_hold(
    signed: Signed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = pem(await signed.authority.list_revoked([RevokedSerial(serial=signed.key.serial, at=NOW)], now=NOW))
    other = pem(await new_authority(tmp_path / "other").list_revoked([], now=NOW))
    wheel = signed.write(tmp_path)
    serve(monkeypatch, {PROVENANCE: signed.provenance, "/integrity/revoked.pem": other + listed})
    assert verify(tmp_path, wheel) is ExitCode.BUILD_FAILED
    assert "was revoked on" in capsys.readouterr().out
    (tmp_path / "revoked.pem").write_bytes(listed)
    assert verify(tmp_path, wheel, index=False, revoked=(tmp_path / "revoked.pem",), as_json=True) is (
        ExitCode.BUILD_FAILED
    )
    (said,) = json.loads(capsys.readouterr().out)
    assert (said["file"], said["holds"]) == (FILE, False)


async def test_file_that_the_service_does_not_know_fails(
    signed: Signed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(monkeypatch, {})
    assert verify(tmp_path, signed.write(tmp_path), save=tmp_path / "attested") is ExitCode.BUILD_FAILED
    assert verify(tmp_path, lock(tmp_path)) is ExitCode.BUILD_FAILED
    assert "There is no attestation of it" in capsys.readouterr().out
    assert not (tmp_path / "attested").exists()


@pytest.mark.parametrize("name", [f"../{FILE}", f"/tmp/{FILE}", "..", "", 7, None])  # noqa: S108  never written
async def test_name_that_leads_elsewhere_is_never_written(
    signed: Signed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: object
) -> None:
    path = f"/integrity/{'/'.join(str(name).removesuffix('.whl').split('-')[:2])}/{name}/provenance"
    serve(monkeypatch, {"/simple/demo/": page(name), path: signed.provenance})
    inner = tmp_path / "inner" / "attested"
    assert verify(tmp_path, lock(tmp_path), save=inner) is ExitCode.BUILD_FAILED
    assert not (tmp_path / "inner").exists()


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[]", b'{"files": 1}', b'{"files": [1]}', b"[" * 100_000])
async def test_page_of_another_service_is_reported(
    signed: Signed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    del signed
    serve(monkeypatch, {"/simple/demo/": answer})
    with pytest.raises(ServerUnreachableError, match="not a Wheelyard service"):
        verify(tmp_path, lock(tmp_path))


async def test_what_cannot_be_verified_is_said(signed: Signed, tmp_path: Path) -> None:
    with pytest.raises(NotVerifiableError, match="names no file"):
        verify(tmp_path, lock(tmp_path, "demo\n"), index=False, saved=tmp_path)
    with pytest.raises(NotVerifiableError, match="--provenance"):
        verify(tmp_path, lock(tmp_path), index=False)
    (tmp_path / "authority.pem").unlink()
    with pytest.raises(NotVerifiableError, match="authority"):
        verify(tmp_path, signed.write(tmp_path / "authority"), index=False)
