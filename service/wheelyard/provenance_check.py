"""Check what a Wheelyard index attests of its files, offline, with nothing but the authority's certificate.

This module stands alone: it needs Python 3.11 and ``cryptography``, and imports nothing else of Wheelyard, so that the
file can be copied and read. ``wheelyard verify`` is this module.

    python provenance_check.py --authority authority.pem FILE.whl        # beside it: FILE.whl.provenance.json
    python provenance_check.py --authority authority.pem DIRECTORY
    python provenance_check.py --authority authority.pem pylock.toml --provenance DIRECTORY

Formats: PEP 740 (attestation version 1), DSSE, in-toto statement v1, SLSA provenance v1, X.509 and its revocation lists
(RFC 5280). docs/decisions/0058 has the profile of certificates.
"""

import argparse
import base64
import binascii
import hashlib
import json
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
SLSA: Final = "https://slsa.dev/provenance/v1"
PUBLISH: Final = "https://docs.pypi.org/attestations/publish/v1"
PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
PUBLISHER: Final = "Wheelyard"
"""``kind`` of the publisher of our own bundles; what came with an upload has another one."""
ENTRY_KIND: Final = {"kind": "wheelyard-certificate", "version": "1"}
SUFFIX: Final = ".provenance.json"
_END_OF_LIST: Final = b"-----END X509 CRL-----"
_UNREADABLE: Final = (
    ValueError,
    TypeError,
    OverflowError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What ``cryptography`` raises for certificates that are none."""
_MADE: Final = {
    "brought": "Proven here, brought as",
    "mirrored": "Mirrored, unchanged, from",
    "recorded": "Published here, by a build that is no longer recorded, as",
}
_MOST_BYTES: Final = 16 << 20
_SKEW: Final = timedelta(minutes=10)
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_PINNED: Final = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(\[[^\]]*\])?\s*==\s*(?P<version>[^\s;\\]+)")
_UTC: Final = timezone.utc  # noqa: UP017  (one name less to know for readers of older code)


class CheckError(ValueError):
    """Something does not hold; the text says what, in plain words."""


@dataclass(frozen=True, kw_only=True)
class Authority:
    """What is trusted: certificates of the organisation's authorities, and their revocation lists."""

    certificates: tuple[x509.Certificate, ...]
    revoked: tuple[x509.CertificateRevocationList, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Result:
    """What was found of one file."""

    name: str
    holds: bool
    facts: tuple[str, ...]
    """What holds, or what does not, one sentence each."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """The SLSA predicate, if it holds."""


def read_authority(pem: bytes, lists: Iterable[bytes] = ()) -> Authority:
    """Return what to trust, from PEM certificates and from files of revocation lists in PEM or DER; raise CheckError.

    An index serves the lists of all authorities that it ever had. Those of authorities that are not given are ignored.
    """
    try:
        certificates = tuple(x509.load_pem_x509_certificates(pem))
        files = [tuple(_read_lists(data)) for data in lists]
    except _UNREADABLE as error:
        raise CheckError(f"The authority's certificate or revocation list cannot be read: {error}") from error
    for one in certificates:
        _check_authority(one)
    revoked = [[one for one in found if any(_signed_list(one, known) for known in certificates)] for found in files]
    if not all(revoked):
        raise CheckError("A revocation list is not signed by the authority.")
    return Authority(certificates=certificates, revoked=tuple(one for found in revoked for one in found))


def _read_lists(data: bytes) -> Iterator[x509.CertificateRevocationList]:
    """Yield the lists of a file: one in DER, or any number in PEM."""
    if not data.lstrip().startswith(b"-----"):
        yield x509.load_der_x509_crl(data)
        return
    for part in data.split(_END_OF_LIST)[:-1]:
        yield x509.load_pem_x509_crl(part + _END_OF_LIST)


def _signed_list(revoked: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    key = authority.public_key()
    return isinstance(key, ec.EllipticCurvePublicKey) and revoked.is_signature_valid(key)


def _check_authority(certificate: x509.Certificate) -> None:
    try:
        certificate.verify_directly_issued_by(certificate)
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (*_UNREADABLE, InvalidSignature) as error:
        raise CheckError("The given certificate is not that of an authority: it does not sign itself.") from error
    if not constraints.ca:
        raise CheckError("The given certificate is not that of an authority: it may not issue certificates.")


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the sha256 of a certificate in hexadecimal."""
    return certificate.fingerprint(SHA256()).hex()


def preauthenticated(statement: bytes) -> bytes:
    """Return what is signed of a statement: DSSE's pre-authentication encoding."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(statement), statement)


def entry_of(certificate: x509.Certificate, authority: x509.Certificate) -> dict[str, Any]:
    """Return the entry of the authority's log of issued certificates that PEP 740's object names (decision 0058)."""
    return {
        "logIndex": str(certificate.serial_number),
        "logId": {"keyId": base64.b64encode(authority.fingerprint(SHA256())).decode()},
        "kindVersion": dict(ENTRY_KIND),
        "integratedTime": str(int(certificate.not_valid_before_utc.timestamp())),
    }


def check(name: str, sha256: str, provenance: bytes | None, authority: Authority) -> Result:
    """Return what holds of a file with this name and digest, by its PEP 740 provenance object."""
    if provenance is None:
        return Result(name=name, holds=False, facts=(f"There is no attestation of it (no {name}{SUFFIX}).",))
    try:
        return _check(name, sha256, provenance, authority)
    except CheckError as error:
        return Result(name=name, holds=False, facts=(str(error),))


def _check(name: str, sha256: str, provenance: bytes, authority: Authority) -> Result:
    bundles, others = _bundles(provenance)
    if len(bundles) != 1:
        raise CheckError(f"Its provenance has {len(bundles)} bundles of an authority, not one.")
    bundle = bundles[0]
    _keys(bundle, {"publisher", "attestations"}, "the bundle")
    attestations = _list(bundle["attestations"], "the bundle's attestations")
    opened = [_open(one, name, sha256, authority) for one in attestations]
    found = {statement["predicateType"]: (statement, leaf, issuer) for statement, leaf, issuer in opened}
    if sorted(found) != sorted((SLSA, PUBLISH)) or len(opened) != len(found):
        raise CheckError("It does not have both attestations: one that it was published, one of how it was made.")
    statement, leaf, issuer = found[SLSA]
    if any(other != leaf for _, other, _ in found.values()):
        raise CheckError("Its two attestations have different certificates.")
    if found[PUBLISH][0].get("predicate") not in (None, {}):
        raise CheckError("The statement that it was published claims more than that.")
    publisher = {"kind": PUBLISHER, "authority": fingerprint(issuer)}
    if bundle["publisher"] != publisher:
        raise CheckError("The publisher that its provenance names is not the authority that signed it.")
    predicate = _object(statement.get("predicate"), "the predicate")
    signed_at = _check_predicate(predicate, leaf)
    return Result(
        name=name, holds=True, facts=tuple(_facts(predicate, leaf, issuer, signed_at, others)), provenance=predicate
    )


def _bundles(provenance: bytes) -> tuple[list[dict[str, Any]], int]:
    """Return the bundles of authorities like ours, and the number of other attestations."""
    document = _object(_json(provenance, "Its provenance"), "its provenance")
    _keys(document, {"version", "attestation_bundles"}, "the provenance")
    if document["version"] != 1 or document["version"] is True:
        raise CheckError("Its provenance is not of version 1 of the format.")
    own, others = [], 0
    for one in _list(document["attestation_bundles"], "the bundles"):
        bundle = _object(one, "a bundle")
        kind = _object(bundle.get("publisher"), "a publisher").get("kind")
        if kind == PUBLISHER:
            own.append(bundle)
        else:
            others += len(_list(bundle.get("attestations"), "a bundle's attestations"))
    return own, others


def _open(
    attestation: object, name: str, sha256: str, authority: Authority
) -> tuple[dict[str, Any], x509.Certificate, x509.Certificate]:
    """Return the statement of an attestation that holds, the certificate that signed it, and that one's issuer."""
    one = _object(attestation, "an attestation")
    _keys(one, {"version", "verification_material", "envelope"}, "an attestation")
    if one["version"] != 1 or one["version"] is True:
        raise CheckError("One of its attestations is not of version 1 of the format.")
    material = _object(one["verification_material"], "the verification material")
    _keys(material, {"certificate", "transparency_entries"}, "the verification material")
    envelope = _object(one["envelope"], "the envelope")
    _keys(envelope, {"statement", "signature"}, "the envelope")
    leaf, issuer = _certificate(_base64(material["certificate"], "the certificate"), authority)
    if material["transparency_entries"] != [entry_of(leaf, issuer)]:
        raise CheckError("The log entry of its attestation is not that of its certificate.")
    statement = _base64(envelope["statement"], "the statement")
    key = leaf.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise CheckError("The key of the signing certificate is not of the curve P-256.")
    try:
        key.verify(_base64(envelope["signature"], "the signature"), preauthenticated(statement), ec.ECDSA(SHA256()))
    except InvalidSignature as error:
        raise CheckError("The signature does not fit the statement: one of them was changed.") from error
    return _statement(statement, name, sha256), leaf, issuer


def _certificate(der: bytes, authority: Authority) -> tuple[x509.Certificate, x509.Certificate]:
    try:
        leaf = x509.load_der_x509_certificate(der)
        issuer = next((one for one in authority.certificates if _issued(leaf, one)), None)
        if issuer is None:
            raise CheckError("The signing certificate was not issued by the authority, or was changed.")
        constraints = leaf.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except _UNREADABLE as error:
        if isinstance(error, CheckError):
            raise
        raise CheckError(f"The signing certificate cannot be read: {error}") from error
    if constraints.ca or ExtendedKeyUsageOID.CODE_SIGNING not in usage:
        raise CheckError("The certificate is not one for signing files.")
    # The octet before the signature counts the bits at its end that do not belong to it. Only 0 is what was issued.
    if leaf.public_bytes(Encoding.DER) != der or not der.endswith(b"\0" + leaf.signature):
        raise CheckError("The signing certificate has bytes that do not belong to it.")
    _check_period(leaf, issuer)
    for revoked in authority.revoked:
        entry = revoked.get_revoked_certificate_by_serial_number(leaf.serial_number)
        if revoked.issuer == issuer.subject and entry is not None:
            when = entry.revocation_date_utc
            raise CheckError(f"The signing certificate was revoked on {when:%Y-%m-%d}: its signatures hold no more.")
    return leaf, issuer


def _issued(leaf: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(issuer)
    except (*_UNREADABLE, InvalidSignature):
        return False
    return True


def _check_period(leaf: x509.Certificate, issuer: x509.Certificate) -> None:
    if not issuer.not_valid_before_utc - _SKEW <= leaf.not_valid_before_utc <= issuer.not_valid_after_utc:
        raise CheckError("The signing certificate was issued outside of the time of its authority.")


def _statement(data: bytes, name: str, sha256: str) -> dict[str, Any]:
    statement = _object(_json(data, "The statement"), "the statement")
    if statement.get("_type") != STATEMENT_TYPE:
        raise CheckError("The statement is not an in-toto statement v1.")
    subjects = _list(statement.get("subject"), "the subjects")
    subject = _object(subjects[0] if len(subjects) == 1 else None, "the statement's only subject")
    if subject.get("name") != name:
        raise CheckError(f"The statement is about {subject.get('name')!r}, not about this file.")
    if _object(subject.get("digest"), "the digest").get("sha256") != sha256:
        raise CheckError("The file is not the one that was attested: its sha256 differs, so its bytes were changed.")
    if not isinstance(statement.get("predicateType"), str):
        raise CheckError("The statement has no predicate type.")
    return statement


def _check_predicate(predicate: Mapping[str, Any], leaf: x509.Certificate) -> datetime:
    """Return when the statement was signed; raise CheckError if its certificate was not valid then."""
    details = _object(predicate.get("runDetails"), "the run's details")
    builder = _object(details.get("builder"), "the builder").get("id")
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except _UNREADABLE as error:
        raise CheckError("The signing certificate names no builder.") from error
    if builder not in names.get_values_for_type(x509.UniformResourceIdentifier):
        raise CheckError("The builder that is named is not the one that the signing certificate is for.")
    metadata = _object(details.get("metadata"), "the metadata")
    try:
        signed_at = datetime.fromisoformat(str(metadata.get("wheelyard_signedOn")))
    except ValueError as error:
        raise CheckError("The statement does not say when it was made.") from error
    if signed_at.tzinfo is None or not leaf.not_valid_before_utc <= signed_at <= leaf.not_valid_after_utc:
        raise CheckError("The signing certificate was not valid when the statement was made.")
    definition = _object(predicate.get("buildDefinition"), "the build's definition")
    for one in _list(definition.get("resolvedDependencies"), "the dependencies"):
        digest = _object(_object(one, "a dependency").get("digest"), "a dependency's digest")
        if not all(isinstance(value, str) and value for value in digest.values()):
            raise CheckError("A dependency has a digest that is no text.")
    return signed_at


def _facts(
    predicate: Mapping[str, Any],
    leaf: x509.Certificate,
    issuer: x509.Certificate,
    signed_at: datetime,
    others: int,
) -> Iterator[str]:
    definition = predicate["buildDefinition"]
    parts = definition["resolvedDependencies"]
    yield "Its bytes are those that were published."
    yield (
        f"Signed on {signed_at.astimezone(_UTC):%Y-%m-%d %H:%M} UTC by {_name(leaf)}, whose certificate"
        f" {_name(issuer)} issued."
    )
    kind = str(definition.get("buildType", "")).rpartition("/")[2]
    source = next((one for one in parts if _role(one) == "source"), None)
    made = _MADE.get(kind, "Built from")
    if source is not None:
        digest = ", ".join(f"{name} {value}" for name, value in source["digest"].items())
        yield f"{made} {source.get('name') or source.get('uri')} ({digest})."
    count = sum(_role(one) == "build requirement" for one in parts)
    if kind in {"sdist", "git", "local", "file"}:
        yield f"{count} build requirements, {sum(_role(one) == 'crates' for one in parts)} archives of crates."
    for one in parts:
        if _role(one).endswith(" image"):
            packages = one.get("annotations", {}).get("packages")
            listed = f"{len(packages)} packages" if packages else "its packages are not recorded"
            yield f"The {_role(one)}: {listed}."
    if others:
        yield f"{others} attestations came with the file when it was brought; this check does not verify them."


def _role(part: Mapping[str, Any]) -> str:
    annotations = part.get("annotations")
    return str(annotations.get("role", "")) if isinstance(annotations, Mapping) else ""


def _name(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else certificate.subject.rfc4514_string()


def _json(data: bytes, what: str) -> object:
    if len(data) > _MOST_BYTES:
        raise CheckError(f"{what} is larger than {_MOST_BYTES >> 20} MiB.")
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        if isinstance(error, CheckError):
            raise
        raise CheckError(f"{what} is not JSON: it was changed or cut.") from error


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise CheckError("An object of its provenance has a key twice.")
    return found


def _object(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise CheckError(f"Its provenance is not complete: {what} is missing.")
    return value


def _list(value: object, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise CheckError(f"Its provenance is not complete: {what} are missing.")
    return value


def _keys(value: Mapping[str, Any], keys: set[str], what: str) -> None:
    if set(value) != keys:
        odd = ", ".join(sorted(set(value) ^ keys))
        raise CheckError(f"The parts of {what} are not those of the format: {odd}.")


def _base64(value: object, what: str) -> bytes:
    try:
        data = base64.b64decode(value if isinstance(value, str) else "", validate=True)
    except (binascii.Error, ValueError) as error:
        raise CheckError(f"{what.capitalize()} is not base64: it was changed.") from error
    if not data or base64.b64encode(data).decode() != value:
        raise CheckError(f"{what.capitalize()} is not base64 as it is written: it was changed.")
    return data


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A file to check: by its path, or by what a lock says of it."""

    name: str
    """Its file name; the project and the version, if the lock does not name files."""
    sha256: str
    path: Path | None = None
    is_file: bool = True
    """False if ``name`` is not a file's name, so that its attestation is found by the digest."""


FindProvenance = Callable[[Wanted], bytes | None]
"""Returns the provenance object of a file; None if there is none."""


def wanted_of(target: Path) -> list[Wanted]:
    """Return what a file, a directory or a lock file names; raise CheckError or OSError. Blocks."""
    if target.is_dir():
        files = sorted(one for one in target.iterdir() if _is_distribution(one.name))
        if not files:
            raise CheckError(f"{target} has no wheels and no sdists.")
        return [_file(one) for one in files]
    if _is_distribution(target.name):
        return [_file(target)]
    if target.stat().st_size > _MOST_BYTES:
        raise CheckError(f"{target.name} is too large for a lock file.")
    text = target.read_text(encoding="utf-8")
    found = list(_toml_lock(text) if target.suffix in {".toml", ".lock"} else _requirements(text))
    if not found:
        raise CheckError(f"{target.name} names no file by its sha256.")
    return found


def _is_distribution(name: str) -> bool:
    return name.endswith((".whl", ".tar.gz", ".zip"))


def _file(path: Path) -> Wanted:
    with path.open("rb") as file:
        return Wanted(name=path.name, sha256=hashlib.file_digest(file, "sha256").hexdigest(), path=path)


def _toml_lock(text: str) -> Iterator[Wanted]:
    """Yield the wheels of a pylock.toml (PEP 751) or a uv.lock, and the sdists of packages without a wheel."""
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise CheckError(f"The lock file is not TOML: {error}") from error
    for package in _tables(document.get("packages", document.get("package"))):
        for file in _tables(package.get("wheels")) or _tables([package.get("sdist")]):
            name = str(file.get("name") or _path_of(str(file.get("url") or file.get("path") or "")))
            hashes = file.get("hashes")
            digest = hashes.get("sha256") if isinstance(hashes, dict) else str(file.get("hash")).removeprefix("sha256:")
            if not _SHA256.fullmatch(str(digest)):
                raise CheckError(f"The lock file has no sha256 of {name}.")
            yield Wanted(name=name.rpartition("/")[2], sha256=str(digest))


def _path_of(address: str) -> str:
    try:
        return unquote(urlsplit(address).path)
    except ValueError as error:
        raise CheckError(f"The lock file has an address that cannot be read: {error}") from error


def _tables(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _requirements(text: str) -> Iterator[Wanted]:
    """Yield what a requirements file with hashes names; such files have digests, but no file names."""
    for line in text.replace("\\\n", " ").splitlines():
        if (pinned := _PINNED.match(line.strip())) is not None:
            for digest in _HASH.findall(line):
                yield Wanted(name=f"{pinned['name']}=={pinned['version']}", sha256=digest, is_file=False)


def beside(folder: Path | None) -> FindProvenance:
    """Return what finds provenance objects beside files, or in a folder."""
    by_digest: dict[str, tuple[str, bytes]] = {}

    def find(wanted: Wanted) -> bytes | None:
        place = folder or (wanted.path.parent if wanted.path else None)
        if place is None:
            raise CheckError("A lock file names no place of its attestations: name one with --provenance.")
        if not wanted.is_file:
            if not by_digest:
                by_digest.update(_by_digest(place))
            return by_digest.get(wanted.sha256, ("", None))[1]
        path = place / f"{wanted.name}{SUFFIX}"
        return path.read_bytes() if path.is_file() and path.stat().st_size <= _MOST_BYTES else None

    return find


def _by_digest(folder: Path) -> Iterator[tuple[str, tuple[str, bytes]]]:
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        data = path.read_bytes() if path.stat().st_size <= _MOST_BYTES else b""
        for digest in subjects_of(data):
            yield digest, (path.name.removesuffix(SUFFIX), data)


def subjects_of(provenance: bytes) -> Iterator[str]:
    """Yield the digests that a provenance object claims to be about, unchecked."""
    try:
        for bundle in _bundles(provenance)[0]:
            for one in bundle["attestations"]:
                statement = _json(_base64(one["envelope"]["statement"], "the statement"), "The statement")
                yield _object(statement, "the statement")["subject"][0]["digest"]["sha256"]
    except (CheckError, KeyError, IndexError, TypeError):
        return


def check_all(target: Path, find: FindProvenance, authority: Authority) -> list[Result]:
    """Return what holds of each file that a path names; raise CheckError or OSError. Blocks."""
    return [_check_wanted(wanted, find(wanted), authority) for wanted in wanted_of(target)]


def _check_wanted(wanted: Wanted, provenance: bytes | None, authority: Authority) -> Result:
    if wanted.is_file or provenance is None:
        return check(wanted.name, wanted.sha256, provenance, authority)
    # The digest is what the lock says; the name is the attestation's own, and must fit the project and the version.
    name = _subject_name(provenance)
    result = check(name, wanted.sha256, provenance, authority)
    project, _, version = wanted.name.partition("==")
    if result.holds and not _fits(name, project, version):
        reason = f"The digest in the lock is that of {name}, which is not {project} {version}."
        return Result(name=wanted.name, holds=False, facts=(reason,))
    return result


def _subject_name(provenance: bytes) -> str:
    try:
        statement = _json(
            base64.b64decode(_bundles(provenance)[0][0]["attestations"][0]["envelope"]["statement"]), "The statement"
        )
        return str(_object(statement, "the statement")["subject"][0]["name"])
    except (ValueError, KeyError, IndexError, TypeError):
        return ""


def _fits(filename: str, project: str, version: str) -> bool:
    def plain(text: str) -> str:
        return re.sub(r"[-_.]+", "-", text).lower()

    base = filename.removesuffix(".whl").removesuffix(".tar.gz").removesuffix(".zip")
    return f"{plain(base)}-".startswith(f"{plain(project)}-{plain(version)}-")


def report(results: Sequence[Result]) -> Iterator[str]:
    """Yield the lines that tell a person what was found."""
    for one in results:
        yield f"{'holds' if one.holds else 'FAILS'}  {one.name}"
        yield from (f"       {fact}" for fact in one.facts)
    failed = sum(not one.holds for one in results)
    yield (f"{failed} of {len(results)} files fail." if failed else f"All {len(results)} files hold.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Check files; return 0 if all hold, 1 if one does not, 2 if nothing could be checked."""
    parser = argparse.ArgumentParser(description="Check what a Wheelyard index attests of its files, offline.")
    parser.add_argument("target", type=Path, help="a wheel, a directory of wheels, or a lock file")
    parser.add_argument("--authority", type=Path, required=True, help="PEM file with the authority's certificates")
    parser.add_argument("--revoked", type=Path, action="append", default=[], help="revocation list of the authority")
    parser.add_argument("--provenance", type=Path, help=f"directory of FILE{SUFFIX}; default: beside each file")
    given = parser.parse_args(arguments)
    try:
        lists = [path.read_bytes() for path in given.revoked]
        authority = read_authority(given.authority.read_bytes(), lists)
        results = check_all(given.target, beside(given.provenance), authority)
    except (CheckError, OSError, UnicodeDecodeError) as error:
        print(error, file=sys.stderr)  # noqa: T201  (a program of its own)
        return 2
    for line in report(results):
        print(line)  # noqa: T201  (a program of its own)
    return int(not all(one.holds for one in results))


if __name__ == "__main__":
    sys.exit(main())
