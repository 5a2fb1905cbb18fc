"""The organisation's own authority: it issues short-lived signing certificates and the list of revoked ones.

Its key is a file, or is held by a program that signs (a KMS, a PKCS#11 token). docs/decisions/0058 has the profile.
"""

import asyncio
import subprocess
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NoReturn

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from wheelyard.adapters.host.files import write_atomic
from wheelyard.errors import AuthorityUnusableError
from wheelyard.interfaces.signing import NewCertificate, RevokedSerial

_AUTHORITY_DAYS: Final = 3650
_SKEW: Final = timedelta(minutes=5)
_COMMAND_SECONDS: Final = 60.0
_LIST_DAYS: Final = 30
_NO: Final[dict[str, bool]] = dict.fromkeys(
    ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"),
    False,
)


class _CommandKey(ec.EllipticCurvePrivateKey):
    """A key that a program holds: it gets the bytes to sign on its standard input, and answers with a DER signature."""

    def __init__(self, command: Sequence[str], public: ec.EllipticCurvePublicKey) -> None:
        self._command, self._public = list(command), public

    def sign(self, data: object, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """Return the program's signature over these bytes. Blocks; raise AuthorityUnusableError."""
        try:
            done = subprocess.run(
                self._command,
                input=bytes(data),  # type: ignore[call-overload]
                capture_output=True,
                timeout=_COMMAND_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise AuthorityUnusableError(reason=f"the program that signs failed: {error}") from error
        if done.returncode:
            text = " ".join(done.stderr.decode(errors="replace").split())[-300:]
            raise AuthorityUnusableError(reason=f"the program that signs ended with {done.returncode}: {text}")
        try:
            self._public.verify(done.stdout, bytes(data), signature_algorithm)  # type: ignore[call-overload]
        except InvalidSignature as error:
            reason = "what the program that signs answered is no DER signature with the certificate's key"
            raise AuthorityUnusableError(reason=reason) from error
        return done.stdout

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """Return the public key, from the certificate."""
        return self._public

    @property
    def curve(self) -> ec.EllipticCurve:
        """Return its curve."""
        return self._public.curve

    @property
    def key_size(self) -> int:
        """Return its size in bits."""
        return self._public.key_size

    def exchange(self, *_: object) -> NoReturn:
        """Refuse: the key only signs."""
        raise NotImplementedError

    def private_numbers(self) -> NoReturn:
        """Refuse: the program holds the key."""
        raise NotImplementedError

    def private_bytes(self, *_: object) -> NoReturn:
        """Refuse: the program holds the key."""
        raise NotImplementedError

    def __copy__(self) -> "_CommandKey":
        return self

    def __deepcopy__(self, memo: object) -> "_CommandKey":
        return self


class CertificateAuthority:
    """An authority that can sign."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self._certificate, self._key = certificate, key

    @property
    def pem(self) -> bytes:
        """Return its certificate."""
        return self._certificate.public_bytes(Encoding.PEM)

    @property
    def fingerprint(self) -> str:
        """Return the sha256 of its certificate in hexadecimal."""
        return self._certificate.fingerprint(hashes.SHA256()).hex()

    async def issue(
        self, public_key: bytes, *, builder_id: str, name: str, days: float, now: datetime
    ) -> NewCertificate:
        """Return a signing certificate for a public key (SubjectPublicKeyInfo in DER).

        Raises:
            AuthorityUnusableError: it cannot sign, or the key is not of the curve P-256.
        """
        key = load_der_public_key(public_key)
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise AuthorityUnusableError(reason="a certificate is asked for with a key that is not of the curve P-256")
        ours = self._certificate.public_key()
        assert isinstance(ours, ec.EllipticCurvePublicKey)  # noqa: S101  (open_authority checks it)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])]))
            .issuer_name(self._certificate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _SKEW)
            .not_valid_after(min(now + timedelta(days=days), self._certificate.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                x509.KeyUsage(digital_signature=True, key_cert_sign=False, crl_sign=False, **_NO), critical=True
            )
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(builder_id)]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ours), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        )
        signed = await asyncio.to_thread(builder.sign, self._key, hashes.SHA256())
        return NewCertificate(
            data=signed.public_bytes(Encoding.DER),
            serial=f"{signed.serial_number:x}",
            valid_until=signed.not_valid_after_utc,
        )

    async def list_revoked(self, revoked: Iterable[RevokedSerial], *, now: datetime) -> bytes:
        """Return the signed list of revoked certificates (RFC 5280) in DER; raise AuthorityUnusableError."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._certificate.subject)
            .last_update(now - _SKEW)
            .next_update(now + timedelta(days=_LIST_DAYS))
        )
        for one in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(one.serial).revocation_date(one.at).build()
            builder = builder.add_revoked_certificate(entry)
        signed = await asyncio.to_thread(builder.sign, self._key, hashes.SHA256())
        return signed.public_bytes(Encoding.DER)


def make_authority(certificate_file: Path, key_file: Path, *, name: str, now: datetime) -> None:
    """Make an authority: a key that only this user can read, and its certificate. Blocks."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + timedelta(days=_AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=False, key_cert_sign=True, crl_sign=True, **_NO), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    for file in (certificate_file, key_file):
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # The key first: a certificate without its key would look like an authority that is elsewhere.
    write_atomic(key_file, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    write_atomic(certificate_file, certificate.public_bytes(Encoding.PEM), mode=0o644)


def open_authority(certificate_file: Path, *, key_file: Path | None, command: Sequence[str]) -> CertificateAuthority:
    """Return the authority of a certificate, with the key in a file or with the program that signs. Blocks.

    Raises:
        AuthorityUnusableError: a file cannot be read, or the key is not that of the certificate.
    """
    try:
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        public = certificate.public_key()
        if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP256R1):
            raise AuthorityUnusableError(reason=f"the key of {certificate_file} is not of the curve P-256")
        if not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            raise AuthorityUnusableError(reason=f"{certificate_file} is not the certificate of an authority")
        certificate.verify_directly_issued_by(certificate)
        if command:
            return CertificateAuthority(certificate, _CommandKey(command, public))
        assert key_file is not None  # noqa: S101  (one of both is given)
        key = load_pem_private_key(key_file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm, x509.ExtensionNotFound, InvalidSignature) as error:
        raise AuthorityUnusableError(reason=f"{certificate_file} or its key cannot be used: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or _public(key.public_key()) != _public(public):
        raise AuthorityUnusableError(reason=f"{key_file} is not the key of {certificate_file}")
    return CertificateAuthority(certificate, key)


def _public(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
