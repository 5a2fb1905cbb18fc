"""The content key of a build: two requests with the same key are the same build."""

import hashlib
import json
from dataclasses import dataclass

from wheelyard.domain.builds.build import SdistSource, SourceKind
from wheelyard.domain.builds.local_source import LocalKind
from wheelyard.domain.packaging.target import Target


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyFacts:
    """Everything that is known before a build and changes its wheel."""

    sdist_sha256: str
    source_kind: SourceKind = SourceKind.SDIST
    recipe_digest: str
    builder_definition: str
    """Digest of the builder's entry in the catalogue, its Dockerfile and its tools."""
    toolchains: tuple[str, ...] = ()
    """Digests of the catalogue's toolchains that the recipe needs."""
    agent_digest: str
    """Digest of the program that runs inside the containers."""
    target: Target
    build_number: int
    """The number in the wheel's build tag."""


def build_key(facts: KeyFacts) -> str:
    """Return the digest of the facts: a sha256 in hexadecimal.

    The build requirements' hashes are not part of it, because they are known only after the sdist was unpacked in a
    sandbox; they are recorded with the wheel (docs/decisions/0003).
    """
    parts = [
        facts.sdist_sha256,
        facts.recipe_digest,
        facts.builder_definition,
        facts.toolchains,
        facts.agent_digest,
        facts.target.python,
        facts.target.platform,
        facts.build_number,
    ]
    if facts.source_kind is not SourceKind.SDIST:  # keys of sdists are stored, and stay what they are
        parts.append(facts.source_kind.value)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def source_digest(source: SdistSource) -> str:
    """Return what identifies a source in keys: the hash of its file, or of what its sdist is made of.

    The tag counts, because it sets the version of many projects. The sdist's own hash does not: it is known later. The
    name of a brought wheel counts, because it has the tags that it is judged by; that of a sent sdist has its version.
    """
    origin, sent = source.git, source.local
    if sent is not None:
        name = sent.name if sent.kind is LocalKind.SDIST else None
        return hashlib.sha256(json.dumps([sent.kind.value, name, sent.sha256, sent.tag]).encode()).hexdigest()
    if source.file is not None:
        return hashlib.sha256(json.dumps(["file", source.file.name, source.file.sha256]).encode()).hexdigest()
    if origin is None and source.kind is SourceKind.WHEEL:
        return hashlib.sha256(json.dumps([source.filename, source.sha256]).encode()).hexdigest()
    if origin is None:
        return source.sha256
    parts = [origin.url, origin.commit, origin.subdirectory, origin.tag, origin.may_release]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def build_tag(number: int, *, suite: str) -> str:
    """Return the build tag (PEP 427) of wheels of a suite, such as ``1.bookworm``.

    With the number alone, wheels of two suites that need no more than an old glibc would have one name and other bytes:
    what they carry is each suite's own.
    """
    return f"{number}.{suite.replace('-', '_')}"
