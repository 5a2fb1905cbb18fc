"""The cluster that all fault tests share, and the table of how each fault was got over, at the end of the run."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from tests.faults.cluster import Cluster, open_cluster
from tests.faults.private_engine import PrivateEngine, open_private_engine
from tests.faults.report import Recovery, render

IS_ROOT: Final = os.geteuid() == 0
DISK_BYTES: Final = 768 << 20
RECOVERIES: Final = pytest.StashKey[list[Recovery]]()


def pytest_configure(config: pytest.Config) -> None:
    """Make room for the table."""
    config.stash[RECOVERIES] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table, also when everything passed."""
    if recoveries := config.stash[RECOVERIES]:
        terminalreporter.section("faults")
        for line in render(recoveries):
            terminalreporter.write_line(line)


@pytest.fixture
def recoveries(pytestconfig: pytest.Config) -> list[Recovery]:
    """Give the table's rows so far."""
    return pytestconfig.stash[RECOVERIES]


@pytest.fixture(scope="session")
def make_state_dir() -> Iterator[Callable[[], Path]]:
    """Make directories that every user may enter, each on a small disk of its own for root, who may mount one."""
    made: list[Path] = []

    def make() -> Path:
        path = Path(tempfile.mkdtemp(prefix="wheelyard-faults-", dir="/tmp"))
        made.append(path)
        if IS_ROOT:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "none", path], check=True)
        path.chmod(0o711)
        return path

    yield make
    for path in made:
        if IS_ROOT:
            subprocess.run(["umount", path], check=True)
        shutil.rmtree(path)


@pytest.fixture(scope="session")
def engine() -> Iterator[PrivateEngine | None]:
    """Give an engine that may be killed; None for an ordinary user, who may not start one."""
    if not IS_ROOT:
        yield None
        return
    with open_private_engine() as opened:
        yield opened


@pytest.fixture(scope="session")
async def cluster(make_state_dir: Callable[[], Path], engine: PrivateEngine | None) -> AsyncIterator[Cluster]:
    """Give a whole service whose parts can be hurt."""
    async with open_cluster(make_state_dir, engine) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _everything_goes_on_afterwards(cluster: Cluster) -> Iterator[None]:
    """Let no test that fails hold up the next one."""
    yield
    cluster.release()
