"""A signing key that lives in the memory of one process, and signs attestations (PEP 740, version 1)."""

import base64
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from wheelyard.provenance_check import PUBLISHER, entry_of, fingerprint, preauthenticated


class SigningKey:
    """A new private key of the curve P-256. It is written nowhere, and ends with its process."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def public(self) -> bytes:
        """Return its public key: SubjectPublicKeyInfo in DER."""
        return self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def certified(self, certificate: bytes, authority: bytes) -> "CertifiedKey":
        """Return the key with its certificate (DER) and that of the authority (PEM)."""
        return CertifiedKey(
            self._key, x509.load_der_x509_certificate(certificate), x509.load_pem_x509_certificate(authority)
        )


class CertifiedKey:
    """A signing key with its certificate."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, leaf: x509.Certificate, authority: x509.Certificate) -> None:
        self._key, self._leaf, self._authority = key, leaf, authority

    @property
    def valid_from(self) -> datetime:
        """Return since when its certificate is valid."""
        return self._leaf.not_valid_before_utc

    @property
    def valid_until(self) -> datetime:
        """Return until when its certificate is valid."""
        return self._leaf.not_valid_after_utc

    @property
    def serial(self) -> int:
        """Return the serial number of its certificate."""
        return self._leaf.serial_number

    @property
    def builder_id(self) -> str:
        """Return the builder's URI that its certificate is for."""
        names = self._leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return names.get_values_for_type(x509.UniformResourceIdentifier)[0]

    @property
    def publisher(self) -> dict[str, str]:
        """Return the publisher that a provenance object names beside its attestations."""
        return {"kind": PUBLISHER, "authority": fingerprint(self._authority)}

    def sign(self, statement: bytes) -> dict[str, Any]:
        """Return the attestation of a statement."""
        signature = self._key.sign(preauthenticated(statement), ec.ECDSA(hashes.SHA256()))
        return {
            "version": 1,
            "verification_material": {
                "certificate": base64.b64encode(self._leaf.public_bytes(Encoding.DER)).decode(),
                "transparency_entries": [entry_of(self._leaf, self._authority)],
            },
            "envelope": {
                "statement": base64.b64encode(statement).decode(),
                "signature": base64.b64encode(signature).decode(),
            },
        }
