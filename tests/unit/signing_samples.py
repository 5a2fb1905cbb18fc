"""An authority, a signing key of it, and a wheel that it has signed, without a database."""

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.contract.samples import sample_order, sample_wheel

from wheelyard.adapters.signing.authority import CertificateAuthority, make_authority, open_authority
from wheelyard.adapters.signing.leaf import CertifiedKey, SigningKey
from wheelyard.domain.builds.build import BuildRequirement
from wheelyard.domain.provenance.statements import BuildRun, CrateArchive, Signing, describe_build
from wheelyard.provenance_check import SUFFIX, Authority, Result, check, read_authority
from wheelyard.usecases.signing.attest import sign_file

NOW = datetime.now(UTC).replace(microsecond=0)
FILE = "demo-1.0-1-cp313-cp313-manylinux_2_36_x86_64.whl"
BYTES = b"PK the bytes of a wheel"
BUILDER = "urn:wheelyard:builder:worker-1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Signed:
    """A signed wheel, and what is needed to check it."""

    authority: CertificateAuthority
    key: CertifiedKey
    provenance: bytes

    @property
    def trust(self) -> Authority:
        return read_authority(self.authority.pem)

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.provenance)
        return found

    def check(
        self, provenance: bytes | None = None, *, data: bytes = BYTES, name: str = FILE, trust: Authority | None = None
    ) -> Result:
        digest = hashlib.sha256(data).hexdigest()
        given = self.provenance if provenance is None else provenance
        return check(name, digest, given, trust or self.trust)

    def write(self, folder: Path) -> Path:
        (folder / FILE).write_bytes(BYTES)
        (folder / f"{FILE}{SUFFIX}").write_bytes(self.provenance)
        (folder / "authority.pem").write_bytes(self.authority.pem)
        return folder / FILE


def new_authority(folder: Path, *, name: str = "Test authority") -> CertificateAuthority:
    folder.mkdir(parents=True, exist_ok=True)
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    make_authority(certificate, key, name=name, now=NOW)
    return open_authority(certificate, key_file=key, command=())


async def new_key(authority: CertificateAuthority, *, days: float = 1, now: datetime = NOW) -> CertifiedKey:
    key = SigningKey()
    issued = await authority.issue(key.public, builder_id=BUILDER, name="worker-1", days=days, now=now)
    return key.certified(issued.data, authority.pem)


def sign(key: CertifiedKey, *, at: datetime = NOW, brought: tuple[dict[str, object], ...] = ()) -> bytes:
    digest = hashlib.sha256(BYTES).hexdigest()
    requirement = BuildRequirement(
        filename="setuptools-80.0.0-py3-none-any.whl", sha256="cd" * 32, url="https://pypi.example/setuptools.whl"
    )
    wheel = replace(sample_wheel(), build_requirements=(requirement,), filename=FILE, sha256=digest)
    run = BuildRun(
        build_id="b1",
        attempt=2,
        started_at=at,
        finished_at=at,
        images={},
        crates=(CrateArchive(sha256="ef" * 32, crates=(("serde", "1.0.0", "12" * 32),)),),
    )
    signing = Signing(builder_id=key.builder_id, version="0", at=at)
    return sign_file(key, FILE, digest, describe_build(sample_order(), wheel, run, signing), brought)


async def signed_wheel(folder: Path) -> Signed:
    authority = new_authority(folder)
    key = await new_key(authority)
    return Signed(authority=authority, key=key, provenance=sign(key))
