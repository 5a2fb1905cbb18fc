"""What signs attestations: keys with certificates, the authority behind them, and the records of both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from wheelyard.domain.index.wheels import IndexedWheel


class Signer(Protocol):
    """A private key with a certificate of the authority."""

    @property
    def builder_id(self) -> str:
        """The builder's URI that the certificate is for."""
        ...

    @property
    def publisher(self) -> Mapping[str, str]:
        """The publisher that a provenance object names."""
        ...

    @property
    def valid_from(self) -> datetime:
        """Since when the certificate is valid."""
        ...

    @property
    def valid_until(self) -> datetime:
        """Until when the certificate is valid."""
        ...

    def sign(self, statement: bytes) -> dict[str, Any]:
        """Return PEP 740's attestation of a statement."""
        ...


class NewKey(Protocol):
    """A private key without a certificate; it never leaves its process."""

    @property
    def public(self) -> bytes:
        """The public key: SubjectPublicKeyInfo in DER."""
        ...

    def certified(self, certificate: bytes, authority: bytes) -> Signer:
        """Return the key with its certificate (DER) and that of its authority (PEM)."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class RevokedSerial:
    """A certificate that must not be trusted any more."""

    serial: int
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class CertificateRequest:
    """A process that wants a certificate for its key."""

    id: str
    builder_id: str
    name: str
    public_key: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class IssuedCertificate:
    """A signing certificate as it is recorded."""

    id: str
    serial: str
    """In hexadecimal."""
    name: str
    certificate: bytes
    """In DER."""
    authority: bytes
    """The certificate of its authority, in PEM."""
    valid_until: datetime
    revoked_at: datetime | None
    authority_retired: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class AuthorityRecord:
    """An authority, with its list of revoked certificates."""

    fingerprint: str
    certificate: bytes
    """In PEM."""
    retired_at: datetime | None
    revocations: bytes | None
    """In DER; None if no list was signed yet."""
    listed_at: datetime | None
    listed: int
    """The number of certificates in the list."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NewCertificate:
    """A signing certificate that was just issued."""

    data: bytes
    """In DER."""
    serial: str
    """In hexadecimal."""
    valid_until: datetime


class Authority(Protocol):
    """The organisation's authority, which can sign here."""

    @property
    def pem(self) -> bytes:
        """Its certificate."""
        ...

    @property
    def fingerprint(self) -> str:
        """The sha256 of its certificate in hexadecimal."""
        ...

    async def issue(
        self, public_key: bytes, *, builder_id: str, name: str, days: float, now: datetime
    ) -> NewCertificate:
        """Return a signing certificate; raise AuthorityUnusableError."""
        ...

    async def list_revoked(self, revoked: Sequence[RevokedSerial], *, now: datetime) -> bytes:
        """Return the signed list of revoked certificates in DER; raise AuthorityUnusableError."""
        ...


class SigningStore(Protocol):
    """The records of authorities, of signing certificates, and of files that nothing was signed of."""

    async def add_authority(self, fingerprint: str, certificate: bytes) -> None:
        """Record an authority; all others are retired by that."""
        ...

    async def list_authorities(self) -> tuple[AuthorityRecord, ...]:
        """Return all authorities, the newest first."""
        ...

    async def request_certificate(self, request: CertificateRequest) -> None:
        """Record that a process wants a certificate."""
        ...

    async def find_certificate(self, id_: str) -> IssuedCertificate | None:
        """Return the certificate of a request; None until it is issued."""
        ...

    async def due_requests(self) -> tuple[CertificateRequest, ...]:
        """Return the requests without a certificate, the oldest first, without those of an hour ago."""
        ...

    async def keep_certificate(
        self, id_: str, certificate: bytes, *, serial: str, authority: str, valid_until: datetime
    ) -> None:
        """Record what was issued, unless another process was faster."""
        ...

    async def list_certificates(self) -> tuple[IssuedCertificate, ...]:
        """Return what was issued, the newest first."""
        ...

    async def revoke_certificate(self, serial: str, *, reason: str, by: str) -> None:
        """Revoke a certificate; raise NotFoundError."""
        ...

    async def revoked_of(self, authority: str) -> tuple[RevokedSerial, ...]:
        """Return the revoked certificates of an authority."""
        ...

    async def keep_revocations(self, authority: str, revocations: bytes, *, count: int, now: datetime) -> None:
        """Record the signed list of revoked certificates."""
        ...

    async def unattested(self, *, limit: int) -> tuple[IndexedWheel, ...]:
        """Return files without provenance, the newest first, without deleted ones."""
        ...

    async def brought_attestations(self, sha256: str) -> tuple[Mapping[str, object], ...]:
        """Return the attestations that came with an upload of these bytes, exactly as they were sent."""
        ...

    async def keep_provenance(self, filename: str, *, sha256: str, provenance: bytes) -> None:
        """Store the provenance of a file that has none, and give its project's page the next serial."""
        ...

    async def drop_provenance(self, serial: str) -> int:
        """Remove the provenance that a revoked certificate has signed, so that it is signed anew; return how many."""
        ...
