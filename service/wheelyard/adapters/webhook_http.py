"""Send webhooks over HTTP, to addresses that the operator allows and nowhere else. Must not know what they say.

The address is looked up once, checked, and connected to as it was checked, so that a name cannot come to mean something
else in between. Redirects are not followed, and no proxy is asked.
"""

import asyncio
import socket
import ssl
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import httpx

from wheelyard import __version__
from wheelyard.adapters.upstream_http import explain
from wheelyard.domain.webhook import Address, AllowedAddresses, WebhookMessage, read_address
from wheelyard.errors import WebhookFailedError, WebhookRefusedError

_SECONDS: Final = 10.0


class HttpWebhooks:
    """The WebhookSender over HTTP."""

    def __init__(self, allowed: AllowedAddresses, *, ca_bundle: Path | None = None) -> None:
        self._allowed = allowed
        self._ca_bundle = ca_bundle

    async def send(self, message: WebhookMessage) -> None:
        """Send one message; any answer of the 2xx kind will do.

        Raises WebhookRefusedError if the address is not allowed, and WebhookFailedError.
        """
        url = httpx.URL(message.url)
        address = await self._choose_address(url)
        try:
            async with self._open_client() as client:
                request = client.build_request(
                    "POST",
                    url.copy_with(host=str(address)),
                    content=message.body,
                    headers={"Host": url.netloc.decode("ascii"), **dict(message.headers)},
                    extensions={"sni_hostname": url.host},
                )
                # The body is a stranger's and of no interest: it is not read.
                answer = await client.send(request, stream=True)
                await answer.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            reason = explain(error) if isinstance(error, httpx.HTTPError | httpx.InvalidURL) else str(error)
            raise WebhookFailedError(host=url.host, reason=reason) from error
        if not answer.is_success:
            raise WebhookFailedError(host=url.host, reason=f"it answered {answer.status_code}")

    async def _choose_address(self, url: httpx.URL) -> Address:
        if (reason := self._allowed.why_not(str(url))) is not None:
            raise WebhookRefusedError(reason=reason)
        addresses = await _look_up(url)
        if (reason := self._allowed.why_not_to(url.host, addresses)) is not None:
            raise WebhookRefusedError(reason=reason)
        return addresses[0]

    def _open_client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            verify=ssl.create_default_context(cafile=self._ca_bundle),
            timeout=_SECONDS,
            headers={"User-Agent": f"wheelyard/{__version__}", "Connection": "close"},
            follow_redirects=False,
            trust_env=False,
        )


async def _look_up(url: httpx.URL) -> list[Address]:
    literal = read_address(url.host)
    if literal is not None:
        return [literal]
    try:
        async with asyncio.timeout(_SECONDS):
            found = await asyncio.get_running_loop().getaddrinfo(url.host, None, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError) as error:
        raise WebhookFailedError(host=url.host, reason=f"its name has no address ({error})") from error
    return [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
