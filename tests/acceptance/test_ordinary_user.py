"""Wheelyard run by an ordinary user who has no engine."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from tests.acceptance.running_service import Launch, running
from tests.acceptance.upstream import Upstream

_NOBODY: Final = 65534
# Nobody may not speak to docker's socket; somebody whose own user runs the tests perhaps may.
_ENGINE_OUT_OF_REACH: Final = "docker" if os.geteuid() == 0 else "no-such-engine"


@pytest.fixture
def home() -> Iterator[Path]:
    """Give the user a home directory of their own."""
    path = Path(tempfile.mkdtemp(prefix="wheelyard-home-", dir="/tmp"))
    _give_away(path)
    yield path
    shutil.rmtree(path)


def test_ordinary_user_runs_the_service_without_an_engine(home: Path, upstream: Upstream) -> None:
    requirement = upstream.add("ordinary")
    state_dir = home / "state"
    state_dir.mkdir()
    _give_away(state_dir)
    launch = Launch(
        state_dir=state_dir,
        settings={"UPSTREAM_INDEX_URL": upstream.url, "ENGINE": _ENGINE_OUT_OF_REACH, "MAX_ATTEMPTS": "1"},
        prefix=_as_ordinary_user(home),
    )

    with running(launch) as service:
        ready = service.http.get("/readyz").json()
        build = service.finished(service.submit(requirement)["id"])
        listed = service.cli("token", "list")
        owner = Path(f"/proc/{service.child('postgres -D').pid}").stat().st_uid

    assert set(ready["context"]["failing"]) == {"engine"}
    assert build["failure"]["code"] == "engine-unavailable"
    assert (listed.returncode, "first token" in listed.stdout) == (0, True), listed.stderr
    assert owner != 0, "nothing is run as root"


def _give_away(path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(path, _NOBODY, _NOBODY)


def _as_ordinary_user(home: Path) -> tuple[str, ...]:
    """Give the command that drops root's rights, the group of the engine's socket too; whoever is nobody stays so."""
    environment = ("env", f"--chdir={home}", f"HOME={home}")
    if os.geteuid() != 0:
        return environment
    return ("setpriv", "--reuid", str(_NOBODY), "--regid", str(_NOBODY), "--clear-groups", *environment)
