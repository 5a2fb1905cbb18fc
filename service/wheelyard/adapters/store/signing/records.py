"""Authorities, signing certificates, and the provenance of files in PostgreSQL. No private key is ever stored."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from wheelyard.adapters.store.access import record_change
from wheelyard.adapters.store.database import Database, Row
from wheelyard.adapters.store.wheels import COLUMNS, touch, wheel_of
from wheelyard.domain.access import Action, Change
from wheelyard.domain.index.wheels import IndexedWheel
from wheelyard.errors import NotFoundError
from wheelyard.interfaces.signing import AuthorityRecord, CertificateRequest, IssuedCertificate, RevokedSerial

_ADD_AUTHORITY: Final = b"""
insert into signing_authorities (fingerprint, certificate) values (%(fingerprint)s, %(certificate)s)
on conflict (fingerprint) do update set retired_at = null
"""
_RETIRE_OTHERS: Final = b"""
update signing_authorities set retired_at = now() where fingerprint <> %(fingerprint)s and retired_at is null
"""
_AUTHORITIES: Final = "select * from signing_authorities order by retired_at is not null, added_at desc"
_REQUEST: Final = b"""
insert into signing_certificates (id, builder_id, name, public_key)
values (%(id)s, %(builder_id)s, %(name)s, %(public_key)s)
"""
_ISSUED: Final = """
select c.id, c.serial, c.name, c.certificate, c.valid_until, c.revoked_at, a.certificate as authority,
       a.retired_at is not null as authority_retired
from signing_certificates c join signing_authorities a on a.fingerprint = c.authority
"""
_FIND: Final = f"{_ISSUED} where c.id = %(id)s"
_LIST: Final = f"{_ISSUED} order by c.sequence desc limit 500"
# A process asks again with another key if it gets no answer, so an old request is of none that lives.
_DUE: Final = """
select id, builder_id, name, public_key from signing_certificates
where certificate is null and requested_at > now() - interval '1 hour' order by sequence limit 50
"""
_KEEP: Final = b"""
update signing_certificates set certificate = %(certificate)s, serial = %(serial)s, authority = %(authority)s,
       valid_until = %(valid_until)s
where id = %(id)s and certificate is null
"""
_REVOKE: Final = b"""
update signing_certificates set revoked_at = coalesce(revoked_at, now()), reason = %(reason)s
where serial = %(serial)s returning id
"""
_REVOKED: Final = """
select serial, revoked_at from signing_certificates
where authority = %(authority)s and revoked_at is not null order by sequence
"""
_KEEP_LIST: Final = b"""
update signing_authorities set revocations = %(revocations)s, listed = %(count)s, listed_at = %(now)s
where fingerprint = %(authority)s
"""
_UNATTESTED: Final = f"""
select {COLUMNS} from wheels where provenance is null and deleted_at is null order by sequence desc limit %(limit)s
"""  # noqa: S608  (a constant)
_BROUGHT: Final = """
select attestations from brought_files where sha256 = %(sha256)s and attestations <> '[]'
order by sequence desc limit 1
"""
_KEEP_PROVENANCE: Final = b"""
update wheels set provenance = %(provenance)s
where filename = %(filename)s and sha256 = %(sha256)s and provenance is null returning project
"""
# Each attestation names the serial number of its certificate in its log entry. This reads the whole index, but is rare.
# A deleted file loses it too: the same bytes may return, and are then signed anew.
_SIGNED_BY: Final = b"""
update wheels set provenance = null
where position(convert_to(%(entry)s, 'UTF8') in provenance) > 0 returning project, deleted_at
"""


class PostgresSigning:
    """Store authorities, certificates and provenance in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_authority(self, fingerprint: str, certificate: bytes) -> None:
        """Insert an authority, and retire all others."""
        values = {"fingerprint": fingerprint, "certificate": certificate.decode()}
        async with self._database.transaction() as connection:
            await connection.execute(_ADD_AUTHORITY, values)
            await connection.execute(_RETIRE_OTHERS, values)

    async def list_authorities(self) -> tuple[AuthorityRecord, ...]:
        """Return all authorities, the one in use first."""
        return tuple(
            AuthorityRecord(
                fingerprint=row["fingerprint"],
                certificate=row["certificate"].encode(),
                retired_at=row["retired_at"],
                revocations=None if row["revocations"] is None else bytes(row["revocations"]),
                listed_at=row["listed_at"],
                listed=row["listed"],
            )
            for row in await self._database.fetch_all(_AUTHORITIES, {})
        )

    async def request_certificate(self, request: CertificateRequest) -> None:
        """Insert a request."""
        values = {name: getattr(request, name) for name in ("id", "builder_id", "name", "public_key")}
        async with self._database.transaction() as connection:
            await connection.execute(_REQUEST, values)

    async def find_certificate(self, id_: str) -> IssuedCertificate | None:
        """Return the certificate of a request."""
        row = await self._database.fetch_one(_FIND, {"id": id_})
        return None if row is None else _issued_of(row)

    async def due_requests(self) -> tuple[CertificateRequest, ...]:
        """Return young requests without a certificate."""
        return tuple(
            CertificateRequest(
                id=str(row["id"]),
                builder_id=row["builder_id"],
                name=row["name"],
                public_key=bytes(row["public_key"]),
            )
            for row in await self._database.fetch_all(_DUE, {})
        )

    async def keep_certificate(
        self, id_: str, certificate: bytes, *, serial: str, authority: str, valid_until: datetime
    ) -> None:
        """Record what was issued."""
        values = {
            "id": id_,
            "certificate": certificate,
            "serial": serial,
            "authority": authority,
            "valid_until": valid_until,
        }
        async with self._database.transaction() as connection:
            await connection.execute(_KEEP, values)

    async def list_certificates(self) -> tuple[IssuedCertificate, ...]:
        """Return what was issued."""
        return tuple(map(_issued_of, await self._database.fetch_all(_LIST, {})))

    async def revoke_certificate(self, serial: str, *, reason: str, by: str) -> None:
        """Revoke a certificate, with an entry in the audit log."""
        change = Change(actor=by, action=Action.CERTIFICATE_REVOKED, object=serial, details={"reason": reason})
        async with self._database.transaction() as connection:
            cursor = await connection.execute(_REVOKE, {"serial": serial, "reason": reason})
            if await cursor.fetchone() is None:
                raise NotFoundError(kind="certificate", name=serial)
            await record_change(connection, change)

    async def revoked_of(self, authority: str) -> tuple[RevokedSerial, ...]:
        """Return the revoked certificates of an authority."""
        rows = await self._database.fetch_all(_REVOKED, {"authority": authority})
        return tuple(RevokedSerial(serial=int(row["serial"], 16), at=row["revoked_at"]) for row in rows)

    async def keep_revocations(self, authority: str, revocations: bytes, *, count: int, now: datetime) -> None:
        """Record the signed list."""
        values = {"authority": authority, "revocations": revocations, "count": count, "now": now}
        async with self._database.transaction() as connection:
            await connection.execute(_KEEP_LIST, values)

    async def unattested(self, *, limit: int) -> tuple[IndexedWheel, ...]:
        """Return files without provenance. An index has only these."""
        return tuple(map(wheel_of, await self._database.fetch_all(_UNATTESTED, {"limit": limit})))

    async def brought_attestations(self, sha256: str) -> tuple[Mapping[str, object], ...]:
        """Return what came with the newest upload of these bytes."""
        row = await self._database.fetch_one(_BROUGHT, {"sha256": sha256})
        return () if row is None else tuple(row["attestations"])

    async def keep_provenance(self, filename: str, *, sha256: str, provenance: bytes) -> None:
        """Store the provenance of a file that has none."""
        values = {"filename": filename, "sha256": sha256, "provenance": provenance}
        async with self._database.transaction() as connection:
            row = await (await connection.execute(_KEEP_PROVENANCE, values)).fetchone()
            if row is not None:
                await touch(connection, row["project"])

    async def drop_provenance(self, serial: str) -> int:
        """Remove the provenance that a certificate has signed."""
        async with self._database.transaction() as connection:
            rows = await (await connection.execute(_SIGNED_BY, {"entry": f'"logIndex":"{int(serial, 16)}"'})).fetchall()
            for project in {row["project"] for row in rows}:
                await touch(connection, project)
        return sum(row["deleted_at"] is None for row in rows)


def _issued_of(row: Row) -> IssuedCertificate:
    return IssuedCertificate(
        id=str(row["id"]),
        serial=row["serial"],
        name=row["name"],
        certificate=bytes(row["certificate"]),
        authority=row["authority"].encode(),
        valid_until=row["valid_until"],
        revoked_at=row["revoked_at"],
        authority_retired=row["authority_retired"],
    )
