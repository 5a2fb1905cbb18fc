"""Keys are certified, renewed and given up in time; files without provenance are signed from what is recorded."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.contract.samples import BEGINNING, ManualClock
from tests.unit.signing_samples import new_authority

from wheelyard.adapters.signing.authority import CertificateAuthority
from wheelyard.adapters.signing.leaf import SigningKey
from wheelyard.domain.index.wheels import IndexedWheel
from wheelyard.errors import DatabaseUnavailableError, SigningUnavailableError
from wheelyard.interfaces.signing import AuthorityRecord, CertificateRequest, IssuedCertificate, RevokedSerial
from wheelyard.usecases.signing.keys import IssueCertificates, KeepSigningKey


class MemorySigning:
    """The SigningStore in memory."""

    def __init__(self) -> None:
        self.authorities: dict[str, AuthorityRecord] = {}
        self.requests: dict[str, CertificateRequest] = {}
        self.issued: dict[str, tuple[str, IssuedCertificate]] = {}

    async def add_authority(self, fingerprint: str, certificate: bytes) -> None:
        for name, one in self.authorities.items():
            self.authorities[name] = replace(one, retired_at=BEGINNING)
        self.authorities[fingerprint] = AuthorityRecord(
            fingerprint=fingerprint,
            certificate=certificate,
            retired_at=None,
            revocations=None,
            listed_at=None,
            listed=0,
        )

    async def list_authorities(self) -> tuple[AuthorityRecord, ...]:
        return tuple(self.authorities.values())

    async def request_certificate(self, request: CertificateRequest) -> None:
        self.requests[request.id] = request

    async def find_certificate(self, id_: str) -> IssuedCertificate | None:
        authority, found = self.issued.get(id_, ("", None))
        retired = bool(authority) and self.authorities[authority].retired_at is not None
        return found and replace(found, authority_retired=retired)

    async def due_requests(self) -> tuple[CertificateRequest, ...]:
        return tuple(one for id_, one in self.requests.items() if id_ not in self.issued)

    async def keep_certificate(
        self, id_: str, certificate: bytes, *, serial: str, authority: str, valid_until: datetime
    ) -> None:
        found = IssuedCertificate(
            id=id_,
            serial=serial,
            name=self.requests[id_].name,
            certificate=certificate,
            authority=self.authorities[authority].certificate,
            valid_until=valid_until,
            revoked_at=None,
            authority_retired=False,
        )
        self.issued[id_] = (authority, found)

    async def list_certificates(self) -> tuple[IssuedCertificate, ...]:
        return tuple(one for _, one in self.issued.values())

    async def revoke_certificate(self, serial: str, *, reason: str, by: str) -> None:
        del reason, by
        for id_, (authority, one) in self.issued.items():
            if one.serial == serial:
                self.issued[id_] = (authority, replace(one, revoked_at=BEGINNING))

    async def revoked_of(self, authority: str) -> tuple[RevokedSerial, ...]:
        return tuple(
            RevokedSerial(serial=int(one.serial, 16), at=one.revoked_at)
            for name, one in self.issued.values()
            if name == authority and one.revoked_at is not None
        )

    async def keep_revocations(self, authority: str, revocations: bytes, *, count: int, now: datetime) -> None:
        held = self.authorities[authority]
        self.authorities[authority] = replace(held, revocations=revocations, listed=count, listed_at=now)

    async def unattested(self, *, limit: int) -> tuple[IndexedWheel, ...]:
        del limit
        return ()

    async def brought_attestations(self, sha256: str) -> tuple[Mapping[str, object], ...]:
        del sha256
        return ()

    async def keep_provenance(self, filename: str, *, sha256: str, provenance: bytes) -> None: ...

    async def drop_provenance(self, serial: str) -> int:
        del serial
        return 0


@pytest.fixture
def store() -> MemorySigning:
    return MemorySigning()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(BEGINNING)


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    return new_authority(tmp_path)


def keeper(store: MemorySigning, now: Callable[[], datetime], *, wait_seconds: float = 0.3) -> KeepSigningKey:
    return KeepSigningKey(store, name="worker-1", new_key=SigningKey, now=now, wait_seconds=wait_seconds)


def issuer(store: MemorySigning, authority: CertificateAuthority, now: Callable[[], datetime]) -> IssueCertificates:
    return IssueCertificates(store, authority, days=8, now=now)


async def test_key_is_certified_before_it_is_needed(
    store: MemorySigning, clock: ManualClock, authority: CertificateAuthority
) -> None:
    keys, issue = keeper(store, clock), issuer(store, authority, clock)
    await keys.refresh()
    await issue.once()
    signer = await keys.current()
    assert signer.builder_id == keys.builder_id == "urn:wheelyard:builder:worker-1"
    assert signer.valid_until == BEGINNING + timedelta(days=8)
    assert len(store.requests) == 1


async def test_without_an_authority_nothing_is_signed(store: MemorySigning, clock: ManualClock) -> None:
    with pytest.raises(SigningUnavailableError, match="worker-1"):
        await keeper(store, clock, wait_seconds=0.05).current()


async def test_key_is_replaced_after_half_of_its_time_and_serves_until_then(
    store: MemorySigning, clock: ManualClock, authority: CertificateAuthority
) -> None:
    keys, issue = keeper(store, clock), issuer(store, authority, clock)
    await keys.refresh()
    await issue.once()
    first = await keys.current()
    clock.advance(3 * 86_400)
    assert await keys.current() is first
    clock.advance(2 * 86_400)
    assert await keys.current() is first, "nobody has issued another one yet"
    await issue.once()
    second = await keys.current()
    assert second.valid_until > first.valid_until


async def test_process_that_had_no_answer_asks_again(store: MemorySigning, clock: ManualClock) -> None:
    keys = keeper(store, clock)
    await keys.refresh()
    await keys.refresh()
    clock.advance(600)
    await keys.refresh()
    await keys.refresh()
    assert len(store.requests) == 2


async def test_revoked_key_is_given_up_and_listed(
    store: MemorySigning, clock: ManualClock, authority: CertificateAuthority
) -> None:
    keys, issue = keeper(store, clock), issuer(store, authority, clock)
    await keys.refresh()
    await issue.once()
    await keys.current()
    (issued,) = await store.list_certificates()
    await store.revoke_certificate(issued.serial, reason="test", by="me")
    await keys.refresh()
    await issue.once()
    assert store.authorities[authority.fingerprint].listed == 1
    second = await keys.current()
    assert len(store.issued) == 2
    assert second.publisher["authority"] == authority.fingerprint


async def test_other_authority_takes_over(
    store: MemorySigning, clock: ManualClock, authority: CertificateAuthority, tmp_path: Path
) -> None:
    keys, issue = keeper(store, clock), issuer(store, authority, clock)
    await keys.refresh()
    await issue.once()
    assert (await keys.current()).publisher["authority"] == authority.fingerprint
    other = new_authority(tmp_path / "other")
    changed = issuer(store, other, clock)
    await changed.once()
    await keys.refresh()
    await changed.once()
    assert (await keys.current()).publisher["authority"] == other.fingerprint


async def test_authority_whose_place_another_took_issues_nothing(
    store: MemorySigning, clock: ManualClock, authority: CertificateAuthority, tmp_path: Path
) -> None:
    keys, former = keeper(store, clock), issuer(store, authority, clock)
    await former.once()
    other = new_authority(tmp_path / "other")
    await issuer(store, other, clock).once()
    await keys.refresh()
    await former.once()
    assert not store.issued
    await issuer(store, other, clock).once()
    assert (await keys.current()).publisher["authority"] == other.fingerprint


async def test_key_whose_request_could_not_be_stored_is_asked_for_again_at_once(
    store: MemorySigning, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(request: CertificateRequest) -> None:
        del request
        raise DatabaseUnavailableError(reason="it restarts")

    keys = keeper(store, clock)
    with monkeypatch.context() as patch:
        patch.setattr(store, "request_certificate", fail)
        with pytest.raises(DatabaseUnavailableError):
            await keys.refresh()
    await keys.refresh()
    assert len(store.requests) == 1


async def test_certificate_of_a_former_authority_is_listed_when_it_is_revoked(
    store: MemorySigning, clock: ManualClock, authority: CertificateAuthority, tmp_path: Path
) -> None:
    keys, issue = keeper(store, clock), issuer(store, authority, clock)
    await keys.refresh()
    await issue.once()
    other, unknown = new_authority(tmp_path / "other"), new_authority(tmp_path / "unknown")
    later = IssueCertificates(store, other, days=8, now=clock, former=(authority, unknown))
    await later.once()
    (issued,) = await store.list_certificates()
    await store.revoke_certificate(issued.serial, reason="test", by="me")
    await later.once()
    assert store.authorities[authority.fingerprint].listed == 1
    assert unknown.fingerprint not in store.authorities


async def test_list_of_revoked_is_signed_once_a_day_even_if_nothing_changes(
    store: MemorySigning, clock: ManualClock, authority: CertificateAuthority
) -> None:
    issue = issuer(store, authority, clock)
    await issue.once()
    first = store.authorities[authority.fingerprint].listed_at
    clock.advance(3600)
    await issue.once()
    assert store.authorities[authority.fingerprint].listed_at == first
    clock.advance(86_400)
    await issue.once()
    assert store.authorities[authority.fingerprint].listed_at == clock.now
