"""What the stand-alone check says of files, and that no byte of them, or of what is signed, can be changed."""

import base64
import hashlib
import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.signing_samples import (
    BYTES,
    FILE,
    NOW,
    Signed,
    new_authority,
    new_key,
    sign,
    signed_wheel,
)

from wheelyard import provenance_check
from wheelyard.interfaces.signing import RevokedSerial
from wheelyard.provenance_check import SUFFIX, CheckError, beside, check_all, main, read_authority, wanted_of


@pytest.fixture(scope="module")
async def signed(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    return await signed_wheel(tmp_path_factory.mktemp("authority"))


def test_signed_wheel_holds_and_it_is_said_what_it_is_made_of(signed: Signed) -> None:
    result = signed.check()
    assert result.holds, result.facts
    text = " ".join(result.facts)
    assert "by worker-1, whose certificate Test authority issued" in text
    assert "Built from pyyaml-6.0.3.tar.gz (sha256 abab" in text
    assert "1 build requirements, 1 archives of crates." in text
    assert "The builder image: its packages are not recorded." in text


def test_attestation_records_the_sources_with_their_hashes_and_origins(signed: Signed) -> None:
    parts = signed.check().provenance["buildDefinition"]["resolvedDependencies"]
    by_role = {one["annotations"]["role"]: one for one in parts}
    assert by_role["source"]["digest"] == {"sha256": "ab" * 32}
    assert by_role["patch"]["digest"] == {"sha256": hashlib.sha256(b"-\xff\0\n").hexdigest()}
    requirement = by_role["build requirement"]
    assert (requirement["uri"], requirement["annotations"]["version"]) == (
        "https://pypi.example/setuptools.whl",
        "80.0.0",
    )
    assert by_role["crates"]["annotations"]["crates"] == [{"name": "serde", "version": "1.0.0", "sha256": "12" * 32}]
    assert {"builder image", "runtime image", "recipe", "further source"} <= set(by_role)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_no_byte_of_the_provenance_can_be_changed(signed: Signed, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(signed.provenance) - 1))
    flipped = bytearray(signed.provenance)
    flipped[position] ^= data.draw(st.integers(1, 255))
    result = signed.check(bytes(flipped))
    assert not result.holds
    assert result.facts


def test_each_byte_of_the_signed_parts_matters(signed: Signed) -> None:
    """Decoded, changed and encoded again, so that the change is not only one of base64."""
    envelope = signed.document["attestation_bundles"][0]["attestations"][0]["envelope"]
    for part, step in (("statement", 97), ("signature", 1)):
        whole = base64.b64decode(envelope[part])
        for position in range(0, len(whole), step):
            changed = bytearray(whole)
            changed[position] ^= 1
            document = signed.document
            found = document["attestation_bundles"][0]["attestations"][0]["envelope"]
            found[part] = base64.b64encode(bytes(changed)).decode()
            assert not signed.check(json.dumps(document).encode()).holds


def test_each_byte_of_the_certificate_matters(signed: Signed) -> None:
    whole = base64.b64decode(
        signed.document["attestation_bundles"][0]["attestations"][0]["verification_material"]["certificate"]
    )
    for position in range(0, len(whole), 3):
        changed = bytearray(whole)
        changed[position] ^= 4
        document = signed.document
        for one in document["attestation_bundles"][0]["attestations"]:
            one["verification_material"]["certificate"] = base64.b64encode(bytes(changed)).decode()
        result = signed.check(json.dumps(document).encode())
        assert not result.holds
        assert "certificate" in result.facts[0], result.facts


async def test_unused_bits_of_the_certificates_signature_are_none(signed: Signed) -> None:
    """A signature that ends with zero bits could be said to end before them, and would still be the same."""
    for _ in range(500):
        key = await new_key(signed.authority)
        document = json.loads(sign(key))
        attestations = document["attestation_bundles"][0]["attestations"]
        whole = base64.b64decode(attestations[0]["verification_material"]["certificate"])
        signature = x509.load_der_x509_certificate(whole).signature
        if signature[-1] & 0b1111 == 0:
            break
    changed = bytearray(whole)
    changed[-len(signature) - 1] = 4
    assert signed.check(json.dumps(document).encode()).holds
    for one in attestations:
        one["verification_material"]["certificate"] = base64.b64encode(bytes(changed)).decode()
    result = signed.check(json.dumps(document).encode())
    assert result.facts == ("The signing certificate has bytes that do not belong to it.",)


@pytest.mark.parametrize("position", range(0, len(BYTES), 5))
def test_changed_wheel_is_named(signed: Signed, position: int) -> None:
    changed = bytearray(BYTES)
    changed[position] ^= 1
    result = signed.check(data=bytes(changed))
    assert result.facts == (
        "The file is not the one that was attested: its sha256 differs, so its bytes were changed.",
    )


def test_other_name_is_named(signed: Signed) -> None:
    assert "not about this file" in signed.check(name="demo-2.0-py3-none-any.whl").facts[0]


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(version=2), "version 1"),
        (lambda d: d.update(extra=1), "not those of the format: extra"),
        (lambda d: d["attestation_bundles"].clear(), "0 bundles"),
        (lambda d: d["attestation_bundles"].append(d["attestation_bundles"][0]), "2 bundles"),
        (lambda d: d["attestation_bundles"][0]["attestations"].pop(0), "does not have both attestations"),
        (lambda d: d["attestation_bundles"][0]["attestations"].pop(1), "does not have both attestations"),
        (lambda d: d["attestation_bundles"][0]["publisher"].update(authority="0" * 64), "publisher"),
        (lambda d: d["attestation_bundles"][0]["publisher"].update(kind="GitHub"), "0 bundles"),
        (lambda d: d.update(attestation_bundles=None), "not complete"),
    ],
)
def test_what_does_not_hold_is_said(signed: Signed, change: Change, said: str) -> None:
    document = signed.document
    change(document)
    result = signed.check(json.dumps(document).encode())
    assert not result.holds
    assert said in result.facts[0]


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b'{"version":1,"version":1}', b"[" * 100_000, b"\xff"])
def test_hostile_provenance_is_refused(signed: Signed, text: bytes) -> None:
    assert not signed.check(text).holds


async def test_other_authority_is_not_trusted(signed: Signed, tmp_path: Path) -> None:
    other = new_authority(tmp_path)
    result = signed.check(trust=read_authority(other.pem))
    assert result.facts == ("The signing certificate was not issued by the authority, or was changed.",)
    both = read_authority(other.pem + signed.authority.pem)
    assert signed.check(trust=both).holds


async def test_revoked_certificate_does_not_hold(signed: Signed) -> None:
    entry = RevokedSerial(serial=signed.key.serial, at=NOW)
    listed = await signed.authority.list_revoked([entry], now=NOW)
    result = signed.check(trust=read_authority(signed.authority.pem, [listed]))
    assert "was revoked on" in result.facts[0]
    others = await signed.authority.list_revoked([RevokedSerial(serial=7, at=NOW)], now=NOW)
    assert signed.check(trust=read_authority(signed.authority.pem, [others])).holds


async def test_list_of_a_stranger_is_refused(signed: Signed, tmp_path: Path) -> None:
    listed = await new_authority(tmp_path).list_revoked([], now=NOW)
    with pytest.raises(CheckError, match="not signed by the authority"):
        read_authority(signed.authority.pem, [listed])


async def test_lists_of_authorities_that_are_not_given_are_ignored(signed: Signed, tmp_path: Path) -> None:
    former = await new_authority(tmp_path).list_revoked([], now=NOW)
    ours = await signed.authority.list_revoked([RevokedSerial(serial=signed.key.serial, at=NOW)], now=NOW)
    served = b"".join(x509.load_der_x509_crl(one).public_bytes(Encoding.PEM) for one in (former, ours))
    assert "was revoked on" in signed.check(trust=read_authority(signed.authority.pem, [served])).facts[0]


@pytest.mark.parametrize("days", [-2, 3])
async def test_statement_from_outside_of_the_certificates_time_does_not_hold(signed: Signed, days: int) -> None:
    late = sign(signed.key, at=NOW + timedelta(days=days))
    assert "was not valid when" in signed.check(late).facts[0]


async def test_wheel_holds_after_its_certificate_has_expired(signed: Signed) -> None:
    key = await new_key(signed.authority, days=1, now=NOW + timedelta(days=30))
    assert signed.check(sign(key, at=NOW + timedelta(days=30, hours=1))).holds


async def test_signing_certificate_is_no_authority(signed: Signed) -> None:
    leaf = signed.key._leaf.public_bytes(Encoding.PEM)
    with pytest.raises(CheckError, match="not that of an authority"):
        read_authority(leaf)


def test_attestations_that_came_with_the_file_are_counted_and_not_trusted(signed: Signed) -> None:
    result = signed.check(sign(signed.key, brought=({"version": 1, "what": "it says"},)))
    assert result.holds
    assert "1 attestations came with the file" in result.facts[-1]


def test_directory_and_locks_are_checked(signed: Signed, tmp_path: Path) -> None:
    signed.write(tmp_path)
    digest = hashlib.sha256(BYTES).hexdigest()
    pylock = tmp_path / "pylock.toml"
    pylock.write_text(
        f'[[packages]]\nname = "demo"\nwheels = [{{name = "{FILE}", hashes = {{sha256 = "{digest}"}}}}]\n'
    )
    uv_lock = tmp_path / "uv.lock"
    uv_lock.write_text(
        f'[[package]]\nname = "demo"\nwheels = [{{url = "http://x/{FILE}", hash = "sha256:{digest}"}}]\n'
    )
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(f"demo==1.0 \\\n    --hash=sha256:{digest}\n")
    for target in (tmp_path, tmp_path / FILE, pylock, uv_lock, requirements):
        (result,) = check_all(target, beside(tmp_path), signed.trust)
        assert result.holds, (target, result.facts)
    (tmp_path / "other-1.0-py3-none-any.whl").write_bytes(b"x")
    results = check_all(tmp_path, beside(None), signed.trust)
    assert [one.holds for one in results] == [True, False]
    assert "no attestation" in results[1].facts[0]
    requirements.write_text(f"demo==2.0 --hash=sha256:{digest}\nother==1 --hash=sha256:{'0' * 64}\n")
    wrong, missing = check_all(requirements, beside(tmp_path), signed.trust)
    assert "is not demo 2.0" in wrong.facts[0]
    assert not missing.holds
    requirements.write_text("demo\n")
    with pytest.raises(CheckError, match="names no file"):
        check_all(requirements, beside(tmp_path), signed.trust)


@pytest.mark.parametrize("key", ["packages", "package"])
def test_sdist_of_a_package_without_wheels_is_checked(tmp_path: Path, key: str) -> None:
    lock = tmp_path / "pylock.toml"
    sdist = f'sdist = {{url = "http://x/demo-1.0.tar.gz", hashes = {{sha256 = "{"0" * 64}"}}}}'
    lock.write_text(f'[[{key}]]\nname = "demo"\n{sdist}\n[[{key}]]\nname = "folder"\n')
    assert [(one.name, one.sha256) for one in wanted_of(lock)] == [("demo-1.0.tar.gz", "0" * 64)]


@pytest.mark.parametrize(
    "text",
    [
        "packages = 1",
        'packages = ["x"]',
        "[[packages]]\nwheels = 1",
        '[[packages]]\nwheels = ["x"]',
        '[[packages]]\nwheels = [{name = 1, hashes = "x"}]',
        "[[packages]]\nwheels = [{url = 1, hashes = {sha256 = 1}}]",
        '[[packages]]\nwheels = [{url = "http://[", hash = 1}]',
    ],
)
def test_lock_of_another_shape_is_refused(tmp_path: Path, text: str) -> None:
    lock = tmp_path / "pylock.toml"
    lock.write_text(text)
    with pytest.raises(CheckError):
        wanted_of(lock)


def test_program_says_it_and_ends_with_its_result(
    signed: Signed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel = signed.write(tmp_path)
    given = [str(wheel), "--authority", str(tmp_path / "authority.pem")]
    assert main(given) == 0
    assert "All 1 files hold." in capsys.readouterr().out
    wheel.write_bytes(BYTES + b"!")
    assert main(given) == 1
    assert "FAILS" in capsys.readouterr().out
    assert main([str(tmp_path / "missing.whl"), *given[1:]]) == 2


def test_copied_file_needs_only_cryptography(signed: Signed, tmp_path: Path) -> None:
    """The file alone, in a Python that sees no other package."""
    wheel = signed.write(tmp_path)
    alone = tmp_path / "alone"
    alone.mkdir()
    copy = alone / "check.py"
    copy.write_bytes(Path(provenance_check.__file__).read_bytes())
    backend = importlib.util.find_spec("_cffi_backend")
    assert backend is not None
    assert backend.origin is not None
    import cryptography  # noqa: PLC0415

    packages = Path(cryptography.__file__).parents[1]
    for found in (packages / "cryptography", Path(backend.origin)):
        (alone / found.name).symlink_to(found)
    command = [sys.executable, "-S", "-E", str(copy), str(wheel), "--authority", str(tmp_path / "authority.pem")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


def test_missing_provenance_is_named(signed: Signed, tmp_path: Path) -> None:
    wheel = signed.write(tmp_path)
    (tmp_path / f"{FILE}{SUFFIX}").unlink()
    (result,) = check_all(wheel, beside(None), signed.trust)
    assert result.facts == (f"There is no attestation of it (no {FILE}{SUFFIX}).",)
