"""Assembly of signing: the authority of this host, and the signing keys of processes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from wheelyard import __version__
from wheelyard.adapters.host.state_dir import StateDir
from wheelyard.adapters.signing.authority import CertificateAuthority, make_authority, open_authority
from wheelyard.adapters.signing.leaf import SigningKey
from wheelyard.adapters.store.database import Database
from wheelyard.adapters.store.signing.records import PostgresSigning
from wheelyard.assembly.access import database_address
from wheelyard.errors import AuthorityUnusableError, SettingsInvalidError
from wheelyard.interfaces import BuildStore
from wheelyard.interfaces.signing import SigningStore
from wheelyard.logs import get_logger
from wheelyard.pipeline.attest import Attesting
from wheelyard.settings import Settings
from wheelyard.usecases.periodic_work import repeat
from wheelyard.usecases.signing.attest import AttestFiles
from wheelyard.usecases.signing.keys import IssueCertificates, KeepSigningKey

_ISSUE_SECONDS: Final = 0.5
_ATTEST_SECONDS: Final = 2.0
_log = get_logger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


def authority_files(settings: Settings) -> tuple[Path, Path]:
    """Return where the service's own authority has its certificate and its key."""
    folder = StateDir(settings.state_dir).authority
    return folder / "certificate.pem", folder / "key.pem"


async def authority_of(settings: Settings, store: SigningStore) -> CertificateAuthority | None:
    """Return the authority that can sign here; None if another API process has its key.

    Without settings, the first API process of a service makes an authority.

    Raises:
        AuthorityUnusableError: its files cannot be used.
        SettingsInvalidError: the settings name a certificate without a key, or a key without a certificate.
    """
    given = settings.authority_certificate
    ways = [settings.authority_key is not None, bool(settings.authority_command)]
    if (given is None and any(ways)) or (given is not None and sum(ways) != 1):
        problem = (
            "WHEELYARD_AUTHORITY_CERTIFICATE needs either WHEELYARD_AUTHORITY_KEY or WHEELYARD_AUTHORITY_COMMAND, "
            "and neither of them works without it"
        )
        raise SettingsInvalidError(problems=[problem])
    if given is not None:
        return await asyncio.to_thread(
            open_authority, given, key_file=settings.authority_key, command=settings.authority_command
        )
    certificate, key = authority_files(settings)
    if not certificate.exists():
        if any(one.retired_at is None for one in await store.list_authorities()):
            _log.info("authority-elsewhere")
            return None
        await asyncio.to_thread(make_authority, certificate, key, name=settings.authority_name, now=_now())
        _log.info("authority-made", certificate=str(certificate))
    return await asyncio.to_thread(open_authority, certificate, key_file=key, command=())


def former_authorities(settings: Settings) -> tuple[CertificateAuthority, ...]:
    """Return the authorities that 'wheelyard authority rotate' replaced, and whose keys are still here. Blocks.

    Their certificates stay valid, so their lists of revoked ones are still signed.
    """
    found: list[CertificateAuthority] = []
    for folder in sorted(authority_files(settings)[0].parent.glob("former-*")):
        try:
            found.append(open_authority(folder / "certificate.pem", key_file=folder / "key.pem", command=()))
        except AuthorityUnusableError as error:
            _log.info("former-authority-unused", folder=folder.name, reason=error.reason)
    return tuple(found)


def signing_key(database: Database, name: str) -> KeepSigningKey:
    """Make what keeps a certified key in this process."""
    return KeepSigningKey(PostgresSigning(database), name=name, new_key=SigningKey, now=_now)


def attesting_of(database: Database, keys: KeepSigningKey) -> Attesting:
    """Make what signs the wheels of a worker."""
    store = PostgresSigning(database)
    return Attesting(signer=keys.current, brought=store.brought_attestations, version=__version__, now=_now)


async def issue_and_attest(
    settings: Settings, database: Database, builds: BuildStore, authority: CertificateAuthority | None, name: str
) -> None:
    """Issue certificates, if the authority's key is here, and sign files that have no provenance, until cancelled."""
    store, keys = PostgresSigning(database), signing_key(database, name)
    attest = AttestFiles(store, builds, signer=keys.current, version=__version__, now=_now)
    async with asyncio.TaskGroup() as tasks:
        if authority is not None:
            former = await asyncio.to_thread(former_authorities, settings)
            issue = IssueCertificates(store, authority, days=settings.signing_days, now=_now, former=former)
            tasks.create_task(repeat("certificates", issue.once, seconds=_ISSUE_SECONDS))
        tasks.create_task(repeat("attestations", attest.once, seconds=_ATTEST_SECONDS))


@contextlib.asynccontextmanager
async def open_signing(settings: Settings) -> AsyncIterator[SigningStore]:
    """Open the database for commands about certificates."""
    async with Database(database_address(settings), pool_size=2) as database:
        yield PostgresSigning(database)


def rotate_authority(settings: Settings) -> Path:
    """Make another authority in place of the service's own, and keep the former one's files beside it.

    Returns:
        The folder of the former one.

    Raises:
        AuthorityUnusableError: the settings name the authority.
    """
    certificate, key = authority_files(settings)
    if settings.authority_certificate is not None:
        raise AuthorityUnusableError(
            reason="the settings name it, so this command cannot replace it: name another one there"
        )
    former = certificate.parent / f"former-{_now():%Y%m%dT%H%M%SZ}"
    former.mkdir(mode=0o700, parents=True)
    for file in (key, certificate):
        if file.exists():  # not after the folder was lost
            file.rename(former / file.name)
    make_authority(certificate, key, name=settings.authority_name, now=_now())
    return former
