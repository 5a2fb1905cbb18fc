"""Find the service's address and the token.

The command line and the environment come first, then the files of ``wheelyard up`` in the state directory.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from wheelyard.adapters.host.state_dir import StateDir
from wheelyard.client_settings import load_client_settings
from wheelyard.errors import ServerUnreachableError


@dataclass(frozen=True, kw_only=True, slots=True)
class RunningService:
    """What ``wheelyard up`` writes about itself into the state directory."""

    url: str
    index_url: str
    """Address of the devpi index that wheels are published on."""
    pid: int

    @property
    def simple_url(self) -> str:
        """Return the address of that index for pip."""
        return f"{self.index_url.rstrip('/')}/+simple/"


@dataclass(frozen=True, kw_only=True, slots=True)
class Connection:
    """How to reach the API."""

    url: str
    token: str | None


def find_connection(url: str | None) -> Connection:
    """Return the address and the token; raise ServerUnreachableError if there is no address."""
    client = load_client_settings()
    secret = client.token
    address = url or client.url
    if address and secret:
        return Connection(url=address, token=secret)
    state_dir = client.state_dir
    service = read_service(state_dir)
    if address is None and service is None:
        raise ServerUnreachableError(url="any address", reason=f"nothing has been started on {state_dir}")
    local = service.url if service else None
    chosen = address or local or ""
    # The first token belongs to the service of this state directory. It is never sent to another address.
    own = read_token(state_dir) if chosen == local else None
    return Connection(url=chosen, token=secret or own)


def read_service(state_dir: Path) -> RunningService | None:
    """Return what ``wheelyard up`` wrote; None if the file is missing or unreadable."""
    try:
        document = json.loads(StateDir(state_dir).api.read_text())
        return RunningService(url=document["url"], index_url=document["index_url"], pid=document["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read_token(state_dir: Path) -> str | None:
    """Return the first token; None if there is none, or this user may not read it."""
    try:
        return StateDir(state_dir).token.read_text().strip() or None
    except OSError:
        return None
