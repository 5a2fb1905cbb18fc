"""The services that the acceptance tests use: the main one, shared by all, and others for what would spoil it."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from tests.acceptance.requested import RequestedWheel, request_wheels
from tests.acceptance.running_service import Launch, RunningService, running
from tests.acceptance.upstream import Upstream, open_upstream
from tests.image_locks import IMAGE_LOCKS

from wheelyard.adapters.host.state_dir import StateDir

StartService = Callable[..., AbstractContextManager[RunningService]]
"""Starts a service for a block, with settings by name."""


@pytest.fixture(scope="session")
def make_state_dir() -> Iterator[Callable[[], Path]]:
    """Make directories that every user may enter: as root, PostgreSQL runs as a user of its own."""
    IMAGE_LOCKS.mkdir(parents=True, exist_ok=True)
    made: list[Path] = []

    def make() -> Path:
        path = Path(tempfile.mkdtemp(prefix="wheelyard-acceptance-", dir="/tmp"))
        path.chmod(0o711)
        StateDir(path).image_locks.symlink_to(IMAGE_LOCKS)
        made.append(path)
        return path

    yield make
    for path in made:
        shutil.rmtree(path)


@pytest.fixture(scope="session")
def service(make_state_dir: Callable[[], Path]) -> Iterator[RunningService]:
    """Give the main service, on the real upstream index and the real engine; Ctrl-C ends it."""
    with running(Launch(state_dir=make_state_dir())) as main:
        yield main


@pytest.fixture(scope="session")
def upstream() -> Iterator[Upstream]:
    """Give an upstream index whose projects build as a test wants them to."""
    with open_upstream() as index:
        yield index


@pytest.fixture(scope="session")
def spare_state_dir(make_state_dir: Callable[[], Path]) -> Path:
    """Give the directory that services which a test ends or cripples take turns on: only the first start is slow."""
    return make_state_dir()


@pytest.fixture
def start_spare(spare_state_dir: Path, upstream: Upstream) -> StartService:
    """Start another service, whose upstream index is ours."""

    def start(**settings: str) -> AbstractContextManager[RunningService]:
        defaults = {"UPSTREAM_INDEX_URL": upstream.url, "LEASE_SECONDS": "4"}
        return running(Launch(state_dir=spare_state_dir, settings=defaults | settings))

    return start


@pytest.fixture(scope="session")
def requested(service: RunningService) -> dict[str, RequestedWheel]:
    """Give the wheels that were built from the real index, by project."""
    return request_wheels(service)
