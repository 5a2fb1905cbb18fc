"""Create and check API tokens. A secret is shown once; only its digest is stored."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from wheelyard.domain.access import Scope, read_publishes
from wheelyard.domain.builds.records import Token
from wheelyard.errors import UnauthenticatedError
from wheelyard.interfaces import TokenStore

PREFIX: Final = "wy_"
"""The prefix of every secret, so that scanners can find leaked ones."""


def digest_secret(secret: str) -> str:
    """Return a secret's digest for storage: sha256 in hexadecimal. Secrets are random, so no slow hash is needed."""
    return hashlib.sha256(secret.encode(errors="surrogateescape")).hexdigest()


class Tokens:
    """The use cases behind ``wheelyard token`` and behind every authenticated request."""

    def __init__(self, *, store: TokenStore, new_secret: Callable[[], str]) -> None:
        self._store = store
        self._new_secret = new_secret

    async def create(
        self,
        *,
        name: str,
        scope: Scope = Scope.REQUEST,
        publishes: Sequence[str] = (),
        expires_at: datetime | None = None,
        created_by: str,
    ) -> tuple[Token, str]:
        """Create a token; return it and its secret, which cannot be shown again.

        Raise InvalidRequestError if the projects that it publishes do not fit its scope or have no valid names.
        """
        projects = read_publishes(scope, publishes)
        secret = PREFIX + self._new_secret()
        token = await self._store.create(
            name=name,
            scope=scope,
            publishes=projects,
            secret_digest=digest_secret(secret),
            expires_at=expires_at,
            created_by=created_by,
        )
        return token, secret

    async def authenticate(self, authorization: str | None) -> Token:
        """Check an ``Authorization`` header (RFC 6750); raise UnauthenticatedError."""
        if not authorization:
            raise UnauthenticatedError(reason="it has no Authorization header")
        scheme, _, secret = authorization.partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            raise UnauthenticatedError(reason="its Authorization header is not of the form 'Bearer TOKEN'")
        return await self.check(secret)

    async def check(self, secret: str) -> Token:
        """Return the token of a secret; raise UnauthenticatedError.

        The look-up is by digest, so its duration reveals nothing about the secret.
        """
        token = await self._store.find(digest_secret(secret.strip()))
        if token is None:
            raise UnauthenticatedError(reason="its token is unknown, expired or revoked")
        return token

    async def list_tokens(self) -> tuple[Token, ...]:
        """Return every token, newest first, without secrets."""
        return await self._store.list_tokens()

    async def revoke(self, token_id: str, *, revoked_by: str) -> Token:
        """Revoke a token; raise NotFoundError."""
        return await self._store.revoke(token_id, revoked_by=revoked_by)
