import os
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from wheelyard.adapters.host.disk import check_free_space
from wheelyard.adapters.host.state_dir import StateDir
from wheelyard.adapters.servers.devpi_files import (
    USERS,
    ensure_passwords,
    ensure_secret,
    environment_directory,
    remembered_port,
    save_passwords,
)
from wheelyard.adapters.servers.devpi_serving import endpoint_of, wanted_index
from wheelyard.adapters.servers.postgres_files import (
    database_url,
    find_server,
    make_private_directory,
    remove_former,
    socket_directory,
)
from wheelyard.errors import DiskFullError, ServiceStartError


@pytest.mark.parametrize("name", ["plain", "with space", "100%", "q'uo\"te", "ü&host=x"])
def test_database_url_means_the_data_directory_whatever_its_name(name: str) -> None:
    data_dir = Path("/srv") / name
    parts = conninfo_to_dict(database_url(data_dir))
    assert parts == {"user": "postgres", "dbname": "wheelyard", "host": str(data_dir), "port": "5432"}


def test_socket_moves_to_a_short_path_exactly_when_it_must() -> None:
    longest = Path("/" + "x" * (107 - len("//.s.PGSQL.5432")))
    assert socket_directory(longest) == longest
    too_long = Path(f"{longest}x")
    assert len(str(socket_directory(too_long) / ".s.PGSQL.5432")) < 108
    assert socket_directory(too_long) == socket_directory(too_long)
    assert socket_directory(too_long) != socket_directory(Path(f"{too_long}x"))


def test_comma_moves_the_socket_because_libpq_would_see_two_hosts() -> None:
    assert "," not in str(socket_directory(Path("/srv/a,b")))


def test_path_length_is_counted_in_bytes() -> None:
    assert socket_directory(Path("/" + "ü" * 60)) != Path("/" + "ü" * 60)


def test_private_directory_of_another_kind_is_refused(tmp_path: Path) -> None:
    make_private_directory(tmp_path / "own", None)
    make_private_directory(tmp_path / "own", None)
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o755)
    (tmp_path / "link").symlink_to(tmp_path / "own")
    for name in ("open", "link"):
        with pytest.raises(ServiceStartError, match=name):
            make_private_directory(tmp_path / name, None)


def test_too_little_space_is_an_error_with_both_figures(tmp_path: Path) -> None:
    check_free_space(tmp_path, 1)
    with pytest.raises(DiskFullError) as caught:
        check_free_space(tmp_path, 1 << 60)
    assert caught.value.floor_bytes == 1 << 60


@pytest.mark.parametrize("content", [None, "", "no number\n", f"{os.getpid()}\n", f"{2**22 + 1}\n"])
def test_number_of_another_process_is_not_taken_for_the_server(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "postmaster.pid").write_text(content)
    assert find_server(tmp_path) is None


@pytest.mark.parametrize("content", [None, "", "x", "-5", "99999"])
def test_unusable_remembered_port_means_any(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "port").write_text(content)
    assert remembered_port(tmp_path / "port") == 0


def test_passwords_and_secret_are_private_and_stay_the_same(tmp_path: Path) -> None:
    passwords = ensure_passwords(tmp_path / "passwords")
    assert set(passwords) == set(USERS)
    assert len(set(passwords.values())) == len(USERS)
    assert ensure_passwords(tmp_path / "passwords") == passwords
    ensure_secret(tmp_path / "secret")
    secret = (tmp_path / "secret").read_text()
    ensure_secret(tmp_path / "secret")
    assert (tmp_path / "secret").read_text() == secret
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_new_lock_gets_a_new_environment(tmp_path: Path) -> None:
    state = StateDir(tmp_path)
    assert environment_directory(state, b"a") == environment_directory(state, b"a")
    assert environment_directory(state, b"a") != environment_directory(state, b"b")


def test_each_index_has_one_uploader_and_nothing_can_be_replaced() -> None:
    endpoint = endpoint_of("http://host:1", {user: f"{user}-password" for user in USERS})
    assert (endpoint.staging_url, endpoint.publisher.user) == ("http://host:1/wheels/staging", "publisher")
    assert (endpoint.prod_url, endpoint.promoter.user) == ("http://host:1/wheels/prod", "promoter")
    assert "promoter-password" not in repr(endpoint)
    wanted = wanted_index("promoter")
    assert wanted["acl_upload"] == ["promoter"]
    assert not wanted["volatile"]
    assert not wanted["bases"]


def test_folders_of_former_versions_go_and_nothing_else(tmp_path: Path) -> None:
    for name in ("postgres", "postgres-18.1.0", "postgres-18.1.0.half", "postgres-18.4.0", "postgres.lock", "devpi"):
        (tmp_path / name).mkdir()

    remove_former(tmp_path / "postgres-18.4.0", "postgres-[0-9]*")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["devpi", "postgres", "postgres-18.4.0", "postgres.lock"]


def test_given_passwords_are_kept_until_devpi_knows_others(tmp_path: Path) -> None:
    first = ensure_passwords(tmp_path / "passwords", {"promoter": "one"})
    assert first["promoter"] == "one"
    assert ensure_passwords(tmp_path / "passwords", {"promoter": "two"}) == first
    save_passwords(tmp_path / "passwords", {**first, "promoter": "two"})
    assert ensure_passwords(tmp_path / "passwords")["promoter"] == "two"
