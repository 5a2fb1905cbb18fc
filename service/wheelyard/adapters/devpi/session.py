"""Log in to devpi once instead of at every request."""

import base64
from collections.abc import Generator
from typing import Final

import httpx

from wheelyard.domain.index.index import Credentials

_UNAUTHORIZED: Final = 401


class DevpiSession(httpx.Auth):
    """Exchanges a password for devpi's session token, which is valid for ten hours, and renews it when it expires.

    Checking a password takes devpi 0.3 seconds at every request (it is hashed with argon2). A token takes no time.
    """

    requires_response_body = True

    def __init__(self, *, login_url: str, credentials: Credentials) -> None:
        self._login_url = login_url
        self._credentials = credentials
        self._token: str | None = None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Log in if there is no token, and once more if devpi does not accept it."""
        used = self._token
        if used is not None:
            if (yield self._signed(request, used)).status_code != _UNAUTHORIZED:
                return
            if self._token == used:
                self._token = None
        if self._token is None:
            answer = yield self._login()
            if answer.is_success:
                self._token = answer.json()["result"]["password"]
        yield self._signed(request, self._token or self._credentials.password)

    def _login(self) -> httpx.Request:
        body = {"user": self._credentials.user, "password": self._credentials.password}
        return httpx.Request("POST", self._login_url, json=body)

    def _signed(self, request: httpx.Request, secret: str) -> httpx.Request:
        pair = base64.b64encode(f"{self._credentials.user}:{secret}".encode()).decode()
        request.headers["Authorization"] = f"Basic {pair}"
        return request
