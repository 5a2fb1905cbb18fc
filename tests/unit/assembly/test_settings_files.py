"""Settings from files: secrets need not be in an environment or on a command line."""

from pathlib import Path

import pytest

from wheelyard.assembly.access import database_address
from wheelyard.assembly.index import devpi_serving
from wheelyard.assembly.service import listens_here_alone
from wheelyard.errors import SettingsInvalidError
from wheelyard.settings import Settings, load_settings

URL = "postgresql://wheelyard@db.example/wheelyard"


@pytest.fixture
def secrets_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WHEELYARD_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("WHEELYARD_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("WHEELYARD_DATABASE_URL", URL)
    return tmp_path


def test_secret_is_read_from_its_file_and_never_shown(secrets_dir: Path) -> None:
    (secrets_dir / "wheelyard_index_password").write_text("hush\n")

    settings = load_settings()

    assert settings.index_password is not None
    assert settings.index_password.get_secret_value() == "hush"
    assert "hush" not in repr(settings)


@pytest.mark.parametrize("network", ["host", "container:abc", "ns:/proc/1/ns/net", "slirp4netns:x", "", "--x"])
def test_network_that_others_are_in_is_refused_for_strangers_code(
    network: str, secrets_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (secrets_dir / "unused").touch()
    monkeypatch.setenv("WHEELYARD_RECIPE_NETWORK", network)
    with pytest.raises(SettingsInvalidError, match="must be a network of the engine's own"):
        load_settings()


def test_network_of_the_engines_own_is_taken(secrets_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (secrets_dir / "wheelyard_recipe_network").write_text("my_net-1.x")
    monkeypatch.delenv("WHEELYARD_RECIPE_NETWORK", raising=False)
    assert load_settings().recipe_network == "my_net-1.x"


def test_environment_wins_over_a_file(secrets_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (secrets_dir / "wheelyard_index_password").write_text("of the file")
    monkeypatch.setenv("WHEELYARD_INDEX_PASSWORD", "of the environment")

    password = load_settings().index_password

    assert password is not None
    assert password.get_secret_value() == "of the environment"


def test_password_of_a_file_completes_the_address_of_the_database(secrets_dir: Path) -> None:
    (secrets_dir / "wheelyard_database_password").write_text("a b'c\n")

    address = database_address(load_settings())

    assert "password='a b\\'c'" in address
    assert "host=db.example" in address


def test_address_without_such_a_password_stays_as_it_is(secrets_dir: Path) -> None:
    assert list(secrets_dir.iterdir()) == []
    assert database_address(load_settings()) == URL


def test_missing_folder_of_secrets_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHEELYARD_SECRETS_DIR", "/nowhere/to/be/found")

    with pytest.raises(SettingsInvalidError, match="WHEELYARD_SECRETS_DIR: /nowhere/to/be/found is not a directory"):
        load_settings()


def test_devpi_for_others_needs_the_passwords_that_they_log_in_with() -> None:
    with pytest.raises(SettingsInvalidError, match="WHEELYARD_STAGING_PASSWORD"):
        devpi_serving(Settings(), "127.0.0.1", 0)


@pytest.mark.parametrize(
    ("host", "alone"),
    [
        *((host, True) for host in ("127.0.0.1", "127.0.0.2", "::1", "localhost")),
        *((host, False) for host in ("0.0.0.0", "::", "192.168.1.1", "wheels.example", "localhost.example", "")),  # noqa: S104
    ],
)
def test_service_on_loopback_is_for_this_host_alone(host: str, alone: bool) -> None:  # noqa: FBT001
    assert listens_here_alone(host) is alone
