"""Show, rotate and revoke what signs, with the settings and the database of the service's host."""

import asyncio
from collections.abc import Sequence

from wheelyard.assembly.access import host_user
from wheelyard.assembly.signing import open_signing, rotate_authority
from wheelyard.cli.console import note, output, print_json
from wheelyard.cli.problem import ExitCode
from wheelyard.interfaces.signing import AuthorityRecord, IssuedCertificate
from wheelyard.settings import load_settings


def show_authority(*, as_json: bool) -> ExitCode:
    """Print every authority and the newest certificates."""
    authorities, certificates = asyncio.run(_read())
    if as_json:
        shown = [
            {
                "fingerprint": one.fingerprint,
                "certificate": one.certificate.decode(),
                "retired_at": one.retired_at,
                "revoked": one.listed,
            }
            for one in authorities
        ]
        issued = [
            {"serial": one.serial, "name": one.name, "valid_until": one.valid_until, "revoked_at": one.revoked_at}
            for one in certificates
        ]
        print_json({"authorities": shown, "certificates": issued})
        return ExitCode.OK
    for authority in authorities:
        state = "in use" if authority.retired_at is None else f"retired {authority.retired_at:%Y-%m-%d}"
        output().print(f"authority {authority.fingerprint}  {state}", soft_wrap=True)
    for one in certificates:
        state = f"revoked {one.revoked_at:%Y-%m-%d}" if one.revoked_at else f"until {one.valid_until:%Y-%m-%d}"
        output().print(f"{one.serial}  {state}  {one.name}", soft_wrap=True)
    return ExitCode.OK


async def _read() -> tuple[Sequence[AuthorityRecord], Sequence[IssuedCertificate]]:
    async with open_signing(load_settings()) as store:
        return await store.list_authorities(), await store.list_certificates()


def rotate() -> ExitCode:
    """Replace the service's own authority."""
    former = rotate_authority(load_settings())
    note(f"a new authority was made; the former one is in {former}")
    note("restart the API, and give users the new certificate beside the former one: /integrity/authority.pem has both")
    return ExitCode.OK


def revoke(serial: str, *, reason: str, sign_again: bool) -> ExitCode:
    """Revoke a certificate, and have its files signed anew if that is asked for."""
    plain = serial.lower().replace(":", "").lstrip("0")

    async def act() -> int:
        async with open_signing(load_settings()) as store:
            await store.revoke_certificate(plain, reason=reason, by=host_user())
            return await store.drop_provenance(plain) if sign_again else 0

    count = asyncio.run(act())
    note(f"revoked {plain}; /integrity/revoked.pem names it as soon as the API has signed the list")
    if sign_again:
        note(f"{count} files are signed anew, from the records of their builds")
    return ExitCode.OK
