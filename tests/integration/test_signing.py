"""Signed provenance on a real PostgreSQL, read by others' models, and signed by a token's key."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key
from cryptography.x509.oid import NameOID
from tests.contract.samples import sample_order, sample_wheel
from tests.integration.test_postgres_wheels import clear
from tests.unit.signing_samples import NOW, new_authority, new_key, sign

from wheelyard.adapters.signing.authority import open_authority
from wheelyard.adapters.signing.leaf import SigningKey
from wheelyard.adapters.store.attempts import PostgresAttempts
from wheelyard.adapters.store.builds import PostgresBuilds
from wheelyard.adapters.store.database import Database
from wheelyard.adapters.store.signing.records import PostgresSigning
from wheelyard.adapters.store.wake_ups import BuildQueue
from wheelyard.adapters.store.wheels import PostgresWheels
from wheelyard.domain.builds.build import Status
from wheelyard.domain.builds.records import Claim, Outcome
from wheelyard.domain.index.index import PublishedFile
from wheelyard.errors import NotFoundError
from wheelyard.interfaces.signing import CertificateRequest
from wheelyard.provenance_check import check, read_authority
from wheelyard.usecases.signing.attest import AttestFiles
from wheelyard.usecases.signing.keys import IssueCertificates, KeepSigningKey

FILE = "demo-1.0-1-py3-none-any.whl"
DIGEST = hashlib.sha256(b"wheel").hexdigest()


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, pool_size=4) as database:
        await clear(database)
        yield database
        await clear(database)
        async with database.transaction() as connection:
            await connection.execute(b"truncate signing_certificates, signing_authorities cascade")


async def claimed(database: Database) -> Claim:
    queue = BuildQueue(database.conninfo)
    order = replace(sample_order(project="demo"), version="1.0")
    submission = await PostgresBuilds(database, queue, max_attempts=3).submit(order, requested_by="tests")
    claim = await PostgresAttempts(database, queue).claim(submission.build.id, worker="w", lease_seconds=60)
    assert claim is not None
    return claim


async def finish(database: Database, claim: Claim, provenance: bytes | None) -> Status | None:
    published = PublishedFile(
        filename=FILE, url="http://devpi/x", index_url="http://devpi/", sha256=DIGEST, size_bytes=5, uploaded=True
    )
    wheel = replace(sample_wheel(), filename=FILE, sha256=DIGEST, size_bytes=5)
    outcome = Outcome(status=Status.SUCCEEDED, wheel=wheel, published=published, provenance=provenance)
    return await PostgresAttempts(database, BuildQueue(database.conninfo)).finish(claim, outcome)


async def test_wheel_is_recorded_with_its_provenance_in_one_transaction(database: Database, tmp_path: Path) -> None:
    wheels, key = PostgresWheels(database), await new_key(new_authority(tmp_path))
    assert await finish(database, await claimed(database), sign(key))
    wheel = await wheels.find(FILE)
    assert wheel.provenance_sha256 == hashlib.sha256(await wheels.provenance_of(FILE)).hexdigest()
    assert await PostgresSigning(database).unattested(limit=5) == ()
    await wheels.delete(FILE, by="me")
    with pytest.raises(NotFoundError):
        await wheels.provenance_of(FILE)


async def test_attempt_that_lost_its_build_leaves_neither_wheel_nor_provenance(
    database: Database, tmp_path: Path
) -> None:
    claim, key = await claimed(database), await new_key(new_authority(tmp_path))
    overdue = "update builds set lease_until = now() - interval '1 s' where id = %(id)s returning id"
    assert await database.fetch_one(overdue, {"id": claim.build_id})
    queue = BuildQueue(database.conninfo)
    assert await PostgresAttempts(database, queue).claim(claim.build_id, worker="x", lease_seconds=60)
    assert await finish(database, claim, sign(key)) is None
    with pytest.raises(NotFoundError):
        await PostgresWheels(database).find(FILE)


async def test_files_from_before_are_signed_from_what_is_recorded(database: Database, tmp_path: Path) -> None:
    """A key is asked for, issued, used, revoked, and what it signed is signed again by another one."""
    store, wheels, authority = PostgresSigning(database), PostgresWheels(database), new_authority(tmp_path)
    builds = PostgresBuilds(database, BuildQueue(database.conninfo), max_attempts=3)
    issue = IssueCertificates(store, authority, days=1, now=now)
    keys = KeepSigningKey(store, name="host-1-api", new_key=SigningKey, now=now)
    attest = AttestFiles(store, builds, signer=keys.current, version="0", now=now)
    assert await finish(database, await claimed(database), None)
    before = (await wheels.changes(0)).serial
    await keys.refresh()
    await issue.once()
    await attest.once()
    assert (await wheels.changes(before)).projects == {"demo"}, "its page is written anew"
    result = check(FILE, DIGEST, await wheels.provenance_of(FILE), read_authority(authority.pem))
    assert result.holds, result.facts
    assert "Built from demo-6.0.3.tar.gz" in " ".join(result.facts)
    (issued,) = await store.list_certificates()
    await store.revoke_certificate(issued.serial, reason="test", by="me")
    with pytest.raises(NotFoundError):
        await store.revoke_certificate("abc", reason="test", by="me")
    await issue.once()
    (held,) = await store.list_authorities()
    assert held.revocations is not None
    trust = read_authority(held.certificate, [held.revocations])
    assert not check(FILE, DIGEST, await wheels.provenance_of(FILE), trust).holds
    assert await store.drop_provenance(issued.serial) == 1
    await keys.refresh()
    await issue.once()
    await attest.once()
    assert check(FILE, DIGEST, await wheels.provenance_of(FILE), trust).holds
    again, _ = await store.list_certificates()
    await store.revoke_certificate(again.serial, reason="test", by="me")
    await wheels.delete(FILE, by="me")
    assert await store.drop_provenance(again.serial) == 0
    row = await database.fetch_one("select provenance from wheels where filename = %(filename)s", {"filename": FILE})
    assert row == {"provenance": None}, "the same bytes may return, and are signed anew then"


async def test_certificate_is_issued_once_and_another_authority_retires_the_first(
    database: Database, tmp_path: Path
) -> None:
    store, one, two = PostgresSigning(database), new_authority(tmp_path / "1"), new_authority(tmp_path / "2")
    await store.add_authority(one.fingerprint, one.pem)
    request = CertificateRequest(
        id="6d1f0a0e-8a5b-4d0b-9d5e-6a1b1f3c9d11", builder_id="urn:x", name="w", public_key=SigningKey().public
    )
    await store.request_certificate(request)
    assert await store.due_requests() == (request,)
    for serial in ("aa", "bb"):
        await store.keep_certificate(request.id, b"der", serial=serial, authority=one.fingerprint, valid_until=now())
    found = await store.find_certificate(request.id)
    assert found is not None
    assert (found.serial, found.authority, found.authority_retired) == ("aa", one.pem, False)
    assert await store.due_requests() == ()
    await store.add_authority(two.fingerprint, two.pem)
    found = await store.find_certificate(request.id)
    assert found is not None
    assert found.authority_retired
    assert [held.fingerprint for held in await store.list_authorities()] == [two.fingerprint, one.fingerprint]


READ_BACK = """
import base64, json, sys
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from pypi_attestations import Attestation, ConversionError
from sigstore.dsse import _pae, _Statement
bundle = json.load(open(sys.argv[1]))["attestation_bundles"][0]
for one in bundle["attestations"]:
    read = Attestation.model_validate(one)
    statement = _Statement.model_validate_json(read.envelope.statement)
    leaf = x509.load_der_x509_certificate(read.verification_material.certificate)
    signed = _pae("application/vnd.in-toto+json", read.envelope.statement)
    leaf.public_key().verify(read.envelope.signature, signed, ec.ECDSA(SHA256()))
    try:
        read.to_bundle()
        raise SystemExit("it was taken for an entry of a public log")
    except ConversionError:
        print(statement.predicate_type, statement.subjects[0].name)
"""


@pytest.mark.slow_signing
async def test_attestations_are_read_by_the_models_of_pypi(tmp_path: Path) -> None:
    """In an environment of its own, because the models bring all of Sigstore's client."""
    python = tmp_path / "env" / "bin" / "python"
    uv = Path(sys.executable).with_name("uv")
    run = subprocess.run
    run([uv, "venv", "-q", tmp_path / "env"], check=True)
    run([uv, "pip", "install", "-q", "--python", python, "pypi-attestations==0.0.31"], check=True)
    provenance = tmp_path / "provenance.json"
    provenance.write_bytes(sign(await new_key(new_authority(tmp_path / "authority"))))
    done = run([python, "-c", READ_BACK, provenance], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "https://slsa.dev/provenance/v1",
        "https://docs.pypi.org/attestations/publish/v1",
    ]


MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")


@pytest.mark.slow_signing
async def test_key_in_a_pkcs11_token_signs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command of docs/operate.md, with a key that never leaves SoftHSM."""
    assert shutil.which("softhsm2-util"), "install softhsm2"
    assert shutil.which("pkcs11-tool"), "install opensc"
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm2.conf").write_text(f"directories.tokendir = {tmp_path / 'tokens'}\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "softhsm2.conf"))
    monkeypatch.setenv("PIN", "123456")
    token = ["pkcs11-tool", "--module", str(MODULE), "--token-label", "wheels"]
    run = subprocess.run
    init = ["softhsm2-util", "--init-token", "--free", "--label", "wheels", "--pin", "123456", "--so-pin", "1234"]
    run(init, check=True, capture_output=True)
    login = [*token, "--login", "--pin", "env:PIN", "--label", "authority"]
    run([*login, "--keypairgen", "--key-type", "EC:prime256v1", "--usage-sign"], check=True, capture_output=True)
    done = run([*token, "--read-object", "--type", "pubkey", "--label", "authority"], check=True, capture_output=True)
    public = load_der_public_key(done.stdout)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    command = json.loads(_documented_command())
    certificate = tmp_path / "certificate.pem"
    certificate.write_bytes(_self_signed(public, command, tmp_path))
    authority = open_authority(certificate, key_file=None, command=command)
    key = await new_key(authority)
    listed = await authority.list_revoked([], now=NOW)
    assert read_authority(authority.pem, [listed]).certificates
    assert key.sign(b"{}")["envelope"]["signature"]


def _documented_command() -> str:
    text = (Path(__file__).parents[2] / "docs" / "operate.md").read_text()
    return next(line for line in text.splitlines() if line.startswith('["sh"') and "pkcs11-tool" in line)


def _self_signed(public: ec.EllipticCurvePublicKey, command: list[str], folder: Path) -> bytes:
    """Return the certificate of the token's key, signed by the token."""
    from wheelyard.adapters.signing.authority import _NO, _CommandKey  # noqa: PLC0415

    del folder
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Token authority")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW)
        .not_valid_after(NOW.replace(year=NOW.year + 5))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=False, key_cert_sign=True, crl_sign=True, **_NO), critical=True)
    )
    return builder.sign(_CommandKey(command, public), hashes.SHA256()).public_bytes(Encoding.PEM)
