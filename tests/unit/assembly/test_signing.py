"""The authority of a service is replaced, also after its folder was lost; one of the settings is not."""

from pathlib import Path

import pytest

from wheelyard.adapters.signing.authority import open_authority
from wheelyard.assembly.signing import authority_files, former_authorities, rotate_authority
from wheelyard.errors import AuthorityUnusableError
from wheelyard.settings import Settings


def test_authority_is_replaced_and_the_former_one_kept(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path)
    certificate, key = authority_files(settings)
    rotate_authority(settings)  # nothing was there: the folder was lost
    first = open_authority(certificate, key_file=key, command=()).pem
    for folder in certificate.parent.glob("former-*"):
        folder.rmdir()
    former = rotate_authority(settings)
    assert (former / "certificate.pem").read_bytes() == first
    assert open_authority(certificate, key_file=key, command=()).pem != first
    assert [one.pem for one in former_authorities(settings)] == [first]
    (former / "key.pem").unlink()
    assert former_authorities(settings) == ()


def test_authority_of_the_settings_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(AuthorityUnusableError, match="settings name it"):
        rotate_authority(Settings(state_dir=tmp_path, authority_certificate=tmp_path / "c.pem"))
