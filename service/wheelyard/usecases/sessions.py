"""Sessions of the web pages: sign in with a token's secret once, then with a cookie.

A session's secret is random and stored as a digest, as a token's is. A session ends with its time, with its token, or
at sign-out. Its CSRF token is derived from its secret, so that nothing else has to be stored.
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from wheelyard.domain.builds.records import Token
from wheelyard.errors import UnauthenticatedError
from wheelyard.interfaces import TokenStore
from wheelyard.usecases.access import Access
from wheelyard.usecases.tokens import digest_secret

_CSRF_LABEL: Final = b"wheelyard csrf"


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """A session of a person who is signed in."""

    token: Token
    secret: str = field(repr=False)
    """The cookie's value."""

    @property
    def csrf_token(self) -> str:
        """Return the value that each form of this session contains to prove its origin (OWASP's HMAC-based token)."""
        return hmac.new(self.secret.encode(), _CSRF_LABEL, hashlib.sha256).hexdigest()

    def check_csrf(self, given: str | None) -> None:
        """Raise UnauthenticatedError unless a form contains this session's token."""
        if not given or not hmac.compare_digest(self.csrf_token.encode(), given.encode(errors="surrogateescape")):
            raise UnauthenticatedError(reason="the form is not of this session; load the page again")


class Sessions:
    """The use cases behind signing in and out of the web pages."""

    def __init__(
        self,
        *,
        access: Access,
        store: TokenStore,
        lifetime: timedelta,
        new_secret: Callable[[], str],
        now: Callable[[], datetime],
    ) -> None:
        self._access = access
        self._store = store
        self._new_secret = new_secret
        self._now = now
        self.lifetime = lifetime
        """How long a session lasts."""

    async def sign_in(self, secret: str, *, address: str) -> Session:
        """Open a session for a token's secret; raise UnauthenticatedError or TooManyRequestsError."""
        token = await self._access.check_secret(secret, address=address)
        session = Session(token=token, secret=self._new_secret())
        digest, end = digest_secret(session.secret), self._now() + self.lifetime
        await self._store.open_session(digest, token=token, expires_at=end)
        return session

    async def resume(self, secret: str | None) -> Session:
        """Return the session of a cookie; raise UnauthenticatedError if there is none, or it is over."""
        token = await self._store.find_session(digest_secret(secret)) if secret else None
        if token is None or secret is None:
            raise UnauthenticatedError(reason="there is no session, or the session is over")
        return Session(token=token, secret=secret)

    async def sign_out(self, session: Session) -> None:
        """End a session."""
        await self._store.close_session(digest_secret(session.secret))
