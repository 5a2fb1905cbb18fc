"""Brings a fresh or an old devpi to the users and indexes that Wheelyard wants. Must not upload anything."""

from collections.abc import Collection, Mapping
from typing import Any, Final

import httpx

from wheelyard.adapters.devpi.session import DevpiSession
from wheelyard.domain.index.index import Credentials, IndexEndpoint

OWNER: Final = "wheels"
STAGING: Final = "staging"
PROD: Final = "prod"
_UPLOADERS: Final = {STAGING: "publisher", PROD: "promoter"}


def endpoint_of(url: str, passwords: Mapping[str, str]) -> IndexEndpoint:
    """Describe our two indexes on the server at an address."""
    return IndexEndpoint(
        url=url,
        staging_url=f"{url}/{OWNER}/{STAGING}",
        prod_url=f"{url}/{OWNER}/{PROD}",
        publisher=Credentials(user=_UPLOADERS[STAGING], password=passwords[_UPLOADERS[STAGING]]),
        promoter=Credentials(user=_UPLOADERS[PROD], password=passwords[_UPLOADERS[PROD]]),
    )


def wanted_index(uploader: str) -> dict[str, Any]:
    """Give an index's configuration: no bases, nothing replaceable, and one user who may upload.

    One user per index, because a token's limit to an index does not stop a push into another. Without the last
    key anybody may upload test results, which is devpi's default.
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
    """Make what is missing and mend what differs, as root; raises httpx.HTTPError if devpi refuses.

    The client has devpi's address as its base; the renewed are users whose password devpi does not know yet.
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
