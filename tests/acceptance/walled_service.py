"""A service on the gateway of a network of its own, from which containers reach nothing else."""

import json
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.running_service import Launch, RunningService, running

from wheelyard.assembly.parts import Parts
from wheelyard.settings import Settings


@dataclass(frozen=True, kw_only=True)
class WalledService:
    """A service, and a network from which nothing else can be reached."""

    service: RunningService
    network: str

    @property
    def host(self) -> str:
        """The address that containers reach the service at."""
        return self.service.url.removeprefix("http://").partition(":")[0]

    @property
    def index_url(self) -> str:
        """The index's address with a token, which everybody there needs: it is not this host's loopback."""
        return f"{self.service.url.replace('://', f'://__token__:{self.service.token}@')}/simple/"


@contextmanager
def open_walled(state_dir: Path, settings: Mapping[str, str] | None = None) -> Iterator[WalledService]:
    """Run a service on the gateway of a network that leads nowhere else."""
    engine = Parts(Settings(state_dir=state_dir)).engine.program
    network = f"wheelyard-tests-{uuid.uuid4().hex[:12]}"
    subprocess.run([engine, "network", "create", "--internal", network], check=True, stdout=subprocess.DEVNULL)
    try:
        described = subprocess.run([engine, "network", "inspect", network], check=True, capture_output=True).stdout
        gateway = json.loads(described)[0]["IPAM"]["Config"][0]["Gateway"]
        with running(Launch(state_dir=state_dir, settings={"HOST": gateway, **(settings or {})})) as service:
            yield WalledService(service=service, network=network)
    finally:
        subprocess.run([engine, "network", "rm", network], check=True, stdout=subprocess.DEVNULL)
