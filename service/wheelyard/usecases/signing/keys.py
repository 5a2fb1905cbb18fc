"""Keep a certified signing key in this process, and issue certificates where the authority's key is."""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from wheelyard.errors import SigningUnavailableError
from wheelyard.interfaces.signing import Authority, CertificateRequest, IssuedCertificate, NewKey, Signer, SigningStore
from wheelyard.logs import get_logger

_WAIT_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.2
_ASK_AGAIN: Final = timedelta(minutes=5)
_LIST_AGE: Final = timedelta(days=1)
_MARGIN: Final = timedelta(minutes=1)
_log = get_logger(__name__)


class KeepSigningKey:
    """Has a key with a valid certificate ready, and replaces it after half of the certificate's time.

    The key is made here and stays in this process's memory. Only its public half goes into the database, where the
    process with the authority's key finds it (docs/decisions/0058).
    """

    def __init__(
        self,
        store: SigningStore,
        *,
        name: str,
        new_key: Callable[[], NewKey],
        now: Callable[[], datetime],
        wait_seconds: float = _WAIT_SECONDS,
    ) -> None:
        """Set the store, and the name of this process in its certificates."""
        self._store = store
        self._name = name
        self._new_key = new_key
        self._now = now
        self._wait_seconds = wait_seconds
        self._signer: Signer | None = None
        self._signer_id = ""
        self._pending: tuple[str, NewKey, datetime] | None = None
        self._refreshing = asyncio.Lock()

    @property
    def builder_id(self) -> str:
        """Return the builder's URI of this process."""
        return f"urn:wheelyard:builder:{self._name}"

    async def refresh(self) -> None:
        """Ask for a certificate if one is needed soon, and take one that was issued; raise DatabaseUnavailableError."""
        async with self._refreshing:
            if self._signer is not None and not await self._is_good():
                self._signer = None
            if self._pending is None and self._needs_another():
                await self._ask()
            if self._pending is not None:
                await self._take()

    async def current(self) -> Signer:
        """Return a key to sign with; raise SigningUnavailableError if none is certified in time."""
        try:
            async with asyncio.timeout(self._wait_seconds):
                while True:
                    await self.refresh()
                    if self._signer is not None and self._signer.valid_until > self._now() + _MARGIN:
                        return self._signer
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError as error:
            raise SigningUnavailableError(builder=self._name) from error

    async def _is_good(self) -> bool:
        """Return whether the certificate is neither revoked nor of a retired authority."""
        found = await self._store.find_certificate(self._signer_id)
        return found is not None and _is_usable(found)

    def _needs_another(self) -> bool:
        signer = self._signer
        return signer is None or self._now() > signer.valid_from + (signer.valid_until - signer.valid_from) / 2

    async def _ask(self) -> None:
        key, id_ = self._new_key(), str(uuid.uuid4())
        await self._store.request_certificate(
            CertificateRequest(id=id_, builder_id=self.builder_id, name=self._name, public_key=key.public)
        )
        self._pending = (id_, key, self._now())  # not before it is stored, or an answer would be awaited in vain

    async def _take(self) -> None:
        assert self._pending is not None  # noqa: S101  (the caller checks it)
        id_, key, asked_at = self._pending
        found = await self._store.find_certificate(id_)
        if found is None:
            if self._now() > asked_at + _ASK_AGAIN:
                self._pending = None
            return
        self._pending = None
        if _is_usable(found):
            self._signer, self._signer_id = key.certified(found.certificate, found.authority), id_
            _log.info("signing-certificate", serial=found.serial, valid_until=found.valid_until.isoformat())


def _is_usable(found: IssuedCertificate) -> bool:
    return found.revoked_at is None and not found.authority_retired


class IssueCertificates:
    """Issues the certificates that processes ask for, and renews the list of revoked ones."""

    def __init__(
        self,
        store: SigningStore,
        authority: Authority,
        *,
        days: float,
        now: Callable[[], datetime],
        former: Sequence[Authority] = (),
    ) -> None:
        """Set the store, the authority, how long certificates are valid, and former authorities whose keys are here."""
        self._store = store
        self._authority = authority
        self._former = former
        self._days = days
        self._now = now
        self._known = False
        self._was_in_use = True

    async def once(self) -> None:
        """Do what is due; raise AuthorityUnusableError or DatabaseUnavailableError."""
        if not self._known:
            await self._store.add_authority(self._authority.fingerprint, self._authority.pem)
            self._known = True
        if await self._is_in_use():
            for request in await self._store.due_requests():
                await self._issue(request)
        for authority in (self._authority, *self._former):
            await self._list_revoked(authority)

    async def _is_in_use(self) -> bool:
        """Return whether no other authority has taken the place of ours, such as that of another API host."""
        ours = self._authority.fingerprint
        known = await self._store.list_authorities()
        is_in_use = any(one.fingerprint == ours and one.retired_at is None for one in known)
        if self._was_in_use and not is_in_use:
            _log.info("authority-elsewhere")
        self._was_in_use = is_in_use
        return is_in_use

    async def _issue(self, request: CertificateRequest) -> None:
        issued = await self._authority.issue(
            request.public_key, builder_id=request.builder_id, name=request.name, days=self._days, now=self._now()
        )
        await self._store.keep_certificate(
            request.id,
            issued.data,
            serial=issued.serial,
            authority=self._authority.fingerprint,
            valid_until=issued.valid_until,
        )
        _log.info("certificate-issued", builder=request.name, serial=issued.serial)

    async def _list_revoked(self, authority: Authority) -> None:
        ours = authority.fingerprint
        revoked = await self._store.revoked_of(ours)
        held = next((one for one in await self._store.list_authorities() if one.fingerprint == ours), None)
        now = self._now()
        if held is None:
            return
        if held.listed_at is not None and held.listed == len(revoked) and now - held.listed_at < _LIST_AGE:
            return
        listed = await authority.list_revoked(revoked, now=now)
        await self._store.keep_revocations(ours, listed, count=len(revoked), now=now)
