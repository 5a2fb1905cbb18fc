"""Which addresses of files are asked, and what a build of one is called."""

import pytest
from packaging.version import Version

from wheelyard.domain.builds.file_source import FileHosts, FileOrigin
from wheelyard.domain.builds.local_source import version_of_wheel
from wheelyard.errors import FileHostRefusedError

HOSTS = FileHosts.of(["files.example", "code.example/acme", "http://10.0.0.7:8080"])


@pytest.mark.parametrize(
    "address",
    [
        "https://files.example/a/demo-1.0.tar.gz",
        "https://FILES.example:443/demo-1.0%2Blocal-py3-none-any.whl",
        "https://code.example/acme/demo-1.0.tar.gz",
        "http://10.0.0.7:8080/demo-1.0.tar.gz",
    ],
)
def test_address_on_a_listed_host_is_used(address: str) -> None:
    assert HOSTS.check(f"{address}#sha256=00") == address


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("https://other.example/demo-1.0.tar.gz", "not allowed here"),
        ("http://files.example/demo-1.0.tar.gz", "not allowed here"),
        ("https://files.example.evil.example/demo-1.0.tar.gz", "not allowed here"),
        ("https://code.example/other/demo-1.0.tar.gz", "not allowed here"),
        ("https://code.example/acme/../other/demo-1.0.tar.gz", "leads elsewhere"),
        ("https://code.example/acme/%2E%2E/other/demo-1.0.tar.gz", "leads elsewhere"),
        ("https://code.example/acme%2fdemo-1.0.tar.gz", "leads elsewhere"),
        ("https://files.example@other.example/demo-1.0.tar.gz", "user or password"),
        ("https://files.example\\@other.example/demo-1.0.tar.gz", "other ones than those"),
        ("https://files.example/demo-1.0.tar.gz?token=secret", "query"),
        ("file:///etc/passwd", "no transport"),
        ("https://files.example:port/demo-1.0.tar.gz", "cannot be read"),
        ("https:///demo-1.0.tar.gz", "no plain host"),
        ("https://files.example/de mo-1.0.tar.gz", "other ones than those"),
    ],
)
def test_other_address_is_refused_with_the_reason(address: str, reason: str) -> None:
    with pytest.raises(FileHostRefusedError) as caught:
        HOSTS.check(address)
    assert reason in str(caught.value)
    assert "secret" not in str(caught.value)


def test_wheel_of_a_file_is_a_development_version_with_its_hash() -> None:
    origin = FileOrigin(
        address="https://files.example/x", name="demo-1.0.tar.gz", sha256="0123456789abcdef", version="1.0"
    )
    assert str(version_of_wheel(Version("1.0"), origin)) == "1.0.dev0+f0123456789ab"
    assert str(version_of_wheel(Version("1.0+cu121"), origin)) == "1.0.dev0+cu121.f0123456789ab"
