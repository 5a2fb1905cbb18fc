"""How the embedded devpi is served: where it listens, how users log in, and which system user it runs as."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from wheelyard.adapters.devpi.session import DevpiSession
from wheelyard.adapters.servers.devpi_files import LOOPBACK, runs_as
from wheelyard.adapters.servers.postgres_files import succeeds_as
from wheelyard.adapters.servers.processes import Account
from wheelyard.domain.index.index import Credentials, IndexEndpoint
from wheelyard.logs import get_logger

_WILDCARD: Final = "0.0.0.0"  # noqa: S104 (compared with, not listened on)
_OURS: Final = frozenset({"passwords.json"})
_OPTIONS: Final = (
    *("--restrict-modify", "root"),
    *("--threads", "8"),
    *("--max-request-body-size", str(4 << 30)),
    # The secret is random and long, so a costly hash adds nothing. devpi's defaults cost 5 s and 580 MB at each start.
    *("--argon2-memory-cost", "8192"),
    *("--argon2-parallelism", "1"),
    *("--argon2-time-cost", "1"),
)
_log = get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class DevpiServing:
    """The operator's settings for it."""

    host: str = LOOPBACK
    """Address to listen on."""
    port: int = 0
    """Port to listen on; 0 uses that of the last start, or any free one."""
    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Passwords of users that others need to know. The rest are random."""
    python: Path | None = None
    """Python of an environment that has devpi. Default: one is made."""

    def url(self, port: int) -> str:
        """Return the address that this host reaches it at."""
        return f"http://{LOOPBACK if self.host == _WILDCARD else self.host}:{port}"

    def options(self, port: int) -> tuple[str, ...]:
        """Return the server's options for listening on a port."""
        return (*_OPTIONS, "--host", self.host, "--port", str(port))


def choose_account(account: Account | None, python: Path, home: Path, environment: Mapping[str, str]) -> Account | None:
    """Return the account to run as: None for an ordinary user; ours for root, if it can reach what it needs.

    A state directory that the operator has closed, or a Python that the operator has chosen, is not opened to it. devpi
    then runs as root, and the log says so.
    """
    if account is None:
        return None
    if runs_as(account, python, environment) and succeeds_as(account, "test", "-x", str(home.parent)):
        return account
    reason = (
        f"the system user cannot enter {home.parent} or run {python}; let everyone enter the one and read the other"
    )
    _log.warning("devpi-runs-as-root", reason=reason)
    return None


def give_home(home: Path, account: Account | None) -> None:
    """Give devpi's folder to the account, except for the passwords that we keep.

    The folder itself is last, so that an interrupted change of owner starts again.
    """
    if account is None:
        return
    if home.stat().st_uid != account.uid:
        for path in home.rglob("*"):
            if path.name not in _OURS:
                os.chown(path, account.uid, account.gid, follow_symlinks=False)
    os.chown(home / "secret", account.uid, account.gid)
    os.chown(home, account.uid, account.gid)


OWNER: Final = "wheels"
STAGING: Final = "staging"
PROD: Final = "prod"
_UPLOADERS: Final = {STAGING: "publisher", PROD: "promoter"}


def endpoint_of(url: str, passwords: Mapping[str, str]) -> IndexEndpoint:
    """Return our two indexes on the server at an address."""
    return IndexEndpoint(
        url=url,
        staging_url=f"{url}/{OWNER}/{STAGING}",
        prod_url=f"{url}/{OWNER}/{PROD}",
        publisher=Credentials(user=_UPLOADERS[STAGING], password=passwords[_UPLOADERS[STAGING]]),
        promoter=Credentials(user=_UPLOADERS[PROD], password=passwords[_UPLOADERS[PROD]]),
    )


def wanted_index(uploader: str) -> dict[str, Any]:
    """Return an index's configuration: no bases, nothing replaceable, and one user who may upload.

    There is one user for each index, because a token limited to an index does not prevent a push into another. Without
    the last key anybody may upload test results, which is devpi's default: https://github.com/devpi/devpi/issues/469
    """
    return {
        "type": "stage",
        "bases": [],
        "volatile": False,
        "acl_upload": [uploader],
        "acl_toxresult_upload": [],
    }


async def ensure_indexes(
    client: httpx.AsyncClient, passwords: Mapping[str, str], *, renewed: Collection[str] = ()
) -> None:
    """Create what is missing and fix what differs, as root; raise httpx.HTTPError if devpi refuses.

    The client has devpi's address as its base. The renewed are users whose password devpi does not know yet.
    """
    root = Credentials(user="root", password=passwords["root"])
    session = DevpiSession(login_url=str(client.base_url.join("/+login")), credentials=root)
    users = await _get(client, "/")
    for user in (OWNER, *_UPLOADERS.values()):
        if user not in users:
            await _send(client, session, "PUT", f"/{user}", {"password": passwords[user]})
        elif user in renewed:
            await _send(client, session, "PATCH", f"/{user}", {"password": passwords[user]})
    held = users.get(OWNER, {}).get("indexes", {})
    for index, uploader in _UPLOADERS.items():
        wanted = wanted_index(uploader)
        if index not in held:
            await _send(client, session, "PUT", f"/{OWNER}/{index}", wanted)
        elif any(held[index].get(key) != value for key, value in wanted.items()):
            await _send(client, session, "PATCH", f"/{OWNER}/{index}", wanted)


async def _get(client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    response = await client.get(path, headers={"Accept": "application/json"})
    response.raise_for_status()
    result: dict[str, Any] = response.json()["result"]
    return result


async def _send(
    client: httpx.AsyncClient, session: httpx.Auth, method: str, path: str, body: Mapping[str, object]
) -> None:
    (await client.request(method, path, json=body, auth=session)).raise_for_status()
