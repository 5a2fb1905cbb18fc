"""The authority: made here, given as files, or a program that signs."""

import stat
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from tests.unit.signing_samples import NOW, new_authority, new_key, sign

from wheelyard.adapters.signing.authority import open_authority
from wheelyard.adapters.signing.leaf import SigningKey
from wheelyard.errors import AuthorityUnusableError
from wheelyard.provenance_check import read_authority

SIGN = """
import sys
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
key = serialization.load_pem_private_key(open(sys.argv[1], "rb").read(), None)
sys.stdout.buffer.write(key.sign(sys.stdin.buffer.read(), ec.ECDSA(hashes.SHA256())))
"""


def test_made_key_is_for_this_user_only(tmp_path: Path) -> None:
    new_authority(tmp_path / "authority")
    assert stat.S_IMODE((tmp_path / "authority" / "key.pem").stat().st_mode) == 0o600


async def test_program_signs_in_place_of_a_key(tmp_path: Path) -> None:
    new_authority(tmp_path)
    program = tmp_path / "sign.py"
    program.write_text(SIGN)
    command = (sys.executable, str(program), str(tmp_path / "key.pem"))
    authority = open_authority(tmp_path / "certificate.pem", key_file=None, command=command)
    key = await new_key(authority)
    assert sign(key)
    listed = await authority.list_revoked([], now=NOW)
    assert read_authority(authority.pem, [listed]).revoked


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ((sys.executable, "-c", "import sys; sys.exit('no token')"), "ended with 1: no token"),
        ((sys.executable, "-c", "print('no signature')"), "no DER signature"),
        (("/nowhere/to-be-found",), "the program that signs failed"),
    ],
)
async def test_program_that_cannot_sign_is_named(tmp_path: Path, command: tuple[str, ...], said: str) -> None:
    new_authority(tmp_path)
    authority = open_authority(tmp_path / "certificate.pem", key_file=None, command=command)
    with pytest.raises(AuthorityUnusableError, match=said):
        await new_key(authority)


def test_key_of_another_authority_is_refused(tmp_path: Path) -> None:
    new_authority(tmp_path / "one")
    new_authority(tmp_path / "two")
    with pytest.raises(AuthorityUnusableError, match="is not the key of"):
        open_authority(tmp_path / "one" / "certificate.pem", key_file=tmp_path / "two" / "key.pem", command=())


def test_missing_and_broken_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(AuthorityUnusableError, match="cannot be used"):
        open_authority(tmp_path / "certificate.pem", key_file=tmp_path / "key.pem", command=())
    new_authority(tmp_path)
    (tmp_path / "key.pem").write_text("no key")
    with pytest.raises(AuthorityUnusableError, match="cannot be used"):
        open_authority(tmp_path / "certificate.pem", key_file=tmp_path / "key.pem", command=())


async def test_certificate_never_outlives_its_authority(tmp_path: Path) -> None:
    authority = new_authority(tmp_path)
    issued = await authority.issue(
        SigningKey().public, builder_id="urn:x", name="w", days=800, now=NOW + timedelta(days=3600)
    )
    assert issued.valid_until < NOW + timedelta(days=3651)
