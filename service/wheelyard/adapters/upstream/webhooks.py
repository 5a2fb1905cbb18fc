"""Send webhooks over HTTP, only to addresses that the operator allows.

A name is resolved once, each of its addresses is checked, and the connection goes to one of the checked addresses. So
the name cannot change its meaning in between. Redirects are not followed, and no proxy is used.
"""

import asyncio
import socket
import ssl
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import httpx

from wheelyard import __version__
from wheelyard.adapters.upstream.http import explain
from wheelyard.domain.addresses import Address
from wheelyard.domain.prebuilds.webhook import AllowedAddresses, WebhookMessage, WebhookTarget
from wheelyard.errors import WebhookFailedError, WebhookRefusedError

_SECONDS: Final = 10.0
# For the whole message: a receiver that answers a byte at a time would otherwise delay all other webhooks.
_MOST_SECONDS: Final = 30.0


class HttpWebhooks:
    """Sends webhooks over HTTP."""

    def __init__(
        self, allowed: AllowedAddresses, *, ca_bundle: Path | None = None, most_seconds: float = _MOST_SECONDS
    ) -> None:
        self._allowed = allowed
        self._ca_bundle = ca_bundle
        self._most_seconds = most_seconds

    async def send(self, message: WebhookMessage) -> None:
        """Send one message; any answer of the 2xx kind is a success.

        Raise WebhookRefusedError if the address is not allowed, and WebhookFailedError.
        """
        if (reason := self._allowed.why_not(message.url)) is not None:
            raise WebhookRefusedError(reason=reason)
        target = WebhookTarget.parse(message.url)
        try:
            async with asyncio.timeout(self._most_seconds):
                status = await self._post(message, target, await self._find_addresses(target))
        except TimeoutError as error:
            reason = f"it did not answer within {self._most_seconds:g} seconds"
            raise WebhookFailedError(host=target.host, reason=reason) from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            reason = explain(error) if isinstance(error, httpx.HTTPError | httpx.InvalidURL) else str(error)
            raise WebhookFailedError(host=target.host, reason=reason) from error
        if not httpx.codes.is_success(status):
            raise WebhookFailedError(host=target.host, reason=f"it answered {status}")

    async def _find_addresses(self, target: WebhookTarget) -> list[Address]:
        addresses = [target.address] if target.address else await _look_up(target.host)
        if (reason := self._allowed.why_not_to(target.host, addresses)) is not None:
            raise WebhookRefusedError(reason=reason)
        return addresses

    async def _post(self, message: WebhookMessage, target: WebhookTarget, addresses: list[Address]) -> int:
        """Return the status from the first address that accepts a connection."""
        async with self._open_client() as client:
            for address in addresses[:-1]:
                try:
                    return await _post_to(client, address, message, target)
                except (httpx.ConnectError, httpx.ConnectTimeout):
                    continue
            return await _post_to(client, addresses[-1], message, target)

    def _open_client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            verify=ssl.create_default_context(cafile=self._ca_bundle),
            timeout=_SECONDS,
            headers={"User-Agent": f"wheelyard/{__version__}", "Connection": "close"},
            follow_redirects=False,
            trust_env=False,
        )


async def _post_to(client: httpx.AsyncClient, address: Address, message: WebhookMessage, target: WebhookTarget) -> int:
    host = f"[{address}]" if ":" in str(address) else str(address)
    port = "" if target.port is None else f":{target.port}"
    request = client.build_request(
        "POST",
        f"{target.scheme}://{host}{port}{target.path}",
        content=message.body,
        headers={"Host": target.authority, **dict(message.headers)},
        # The certificate must be that of the name, not of the address.
        extensions={"sni_hostname": target.host},
    )
    # The body is untrusted and not needed, so it is not read.
    answer = await client.send(request, stream=True)
    await answer.aclose()
    return answer.status_code


async def _look_up(host: str) -> list[Address]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise WebhookFailedError(host=host, reason=f"its name has no address ({error})") from error
    return list(dict.fromkeys(ip_address(str(entry[4][0])) for entry in found))
