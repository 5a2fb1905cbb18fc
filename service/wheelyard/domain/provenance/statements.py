"""The statements that are signed of a published file, and the object that serves them (PEP 740).

Two in-toto statements v1 about each file: that it was published, as PyPI defines it, and SLSA provenance v1. Formats:
https://github.com/in-toto/attestation/tree/main/spec/v1, https://slsa.dev/spec/v1.0/provenance,
https://docs.pypi.org/attestations/publish/v1, https://peps.python.org/pep-0740/.
"""

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from wheelyard.domain.builds.build import BuildOrder, SourceKind, Wheel
from wheelyard.domain.builds.local_source import LocalKind
from wheelyard.domain.catalogue.sbom import ImageContent
from wheelyard.domain.index.wheels import IndexedWheel, WheelOrigin
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.recipes.effective import EffectiveRecipe, RecipeFile
from wheelyard.domain.untrusted.file_names import read_wheel_name
from wheelyard.domain.untrusted.refusal import RefusedTextError

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
SLSA: Final = "https://slsa.dev/provenance/v1"
PUBLISH: Final = "https://docs.pypi.org/attestations/publish/v1"
BUILD_TYPE: Final = "urn:wheelyard:build:v1"
"""What is done, before a slash and the kind of the source: ``sdist``, ``git``, ``local``, ``brought``, ``mirrored``."""
UPLOADED: Final = "Upload"
"""``kind`` of the publisher of attestations that came with an upload: nothing here has verified them."""
_KINDS: Final = {SourceKind.WHEEL: "brought"}
FILES: Final = ("patches", "before_build", "after_build", "test_files")
"""The files of a recipe, of which a statement has the digests."""
_NO_RECIPE: Final = EffectiveRecipe()

Predicate = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class CrateArchive:
    """The archive of vendored crates that a build was given."""

    sha256: str
    crates: tuple[tuple[str, str, str], ...] = ()
    """Name, version and sha256 of each crate that its Cargo.lock names."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildRun:
    """How an attempt ran, as far as the order and the wheel do not say it."""

    build_id: str
    attempt: int
    started_at: datetime
    finished_at: datetime
    images: Mapping[str, ImageContent]
    """What is in the images, by their ids; an image that is missing was not read."""
    crates: tuple[CrateArchive, ...] = ()
    agent_sha256: str | None = None
    """The program that ran in the containers, which decides the commands; None if it is not known."""
    commands: tuple[str, ...] = ()
    """The commands of the stages, in order."""
    epoch: int | None = None
    """SOURCE_DATE_EPOCH of the build; None if it is not known, or nothing was built."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Signing:
    """Who signs, and when."""

    builder_id: str
    """The builder's URI; the signing certificate has the same."""
    version: str
    """The version of Wheelyard."""
    at: datetime


def write_statement(filename: str, sha256: str, predicate_type: str, predicate: Predicate | None) -> bytes:
    """Return a statement as the bytes that are signed."""
    return _encode(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": filename, "digest": {"sha256": sha256}}],
            "predicateType": predicate_type,
            "predicate": predicate,
        }
    )


def write_provenance(
    publisher: Mapping[str, str],
    attestations: Sequence[Mapping[str, Any]],
    brought: Sequence[Mapping[str, Any]] = (),
) -> bytes:
    """Return PEP 740's provenance object: our attestations, and beside them those that came with an upload."""
    bundles: list[Mapping[str, Any]] = [{"publisher": publisher, "attestations": attestations}]
    if brought:
        bundles.append({"publisher": {"kind": UPLOADED}, "attestations": list(brought)})
    return _encode({"version": 1, "attestation_bundles": bundles})


def describe_build(order: BuildOrder, wheel: Wheel, run: BuildRun, signing: Signing) -> Predicate:
    """Return the SLSA predicate of a wheel that was built, or brought and repaired, here."""
    kind = _KINDS.get(order.sdist.kind, order.sdist.kind.value)
    return {
        "buildDefinition": {
            "buildType": f"{BUILD_TYPE}/{kind}",
            "externalParameters": {
                "requirement": order.requirement,
                "project": order.project,
                "version": order.version,
                "target": _target(order.target),
                "recipe": _recipe(order),
            },
            "internalParameters": {
                "suite": order.builder,
                "buildKey": order.key,
                "commands": list(run.commands),
                "environment": dict(order.recipe.env) | _epoch_of(run),
                "network": order.recipe.network,
            },
            "resolvedDependencies": list(_dependencies(order, wheel, run)),
        },
        "runDetails": {
            "builder": _builder(signing, run.agent_sha256),
            "metadata": {
                "invocationId": f"urn:uuid:{run.build_id}#attempt-{run.attempt}",
                "startedOn": _time(run.started_at),
                "finishedOn": _time(run.finished_at),
                "wheelyard_signedOn": _time(signing.at),
                "wheelyard_attempt": run.attempt,
            },
            "byproducts": list(_byproducts(wheel)),
        },
    }


def describe_copy(file: IndexedWheel, signing: Signing) -> Predicate:
    """Return the SLSA predicate of a file that was not built here, or whose build is no longer stored."""
    kind = {WheelOrigin.MIRRORED: "mirrored", WheelOrigin.BROUGHT: "brought"}.get(file.origin, "recorded")
    source = {"name": file.filename, "digest": {"sha256": file.sha256}, "annotations": {"role": "source"}}
    return {
        "buildDefinition": {
            "buildType": f"{BUILD_TYPE}/{kind}",
            "externalParameters": {"project": file.project, "version": file.version},
            "internalParameters": {"changes": "none: the bytes are those that came"},
            "resolvedDependencies": [source],
        },
        "runDetails": {
            "builder": _builder(signing, None),
            "metadata": {"finishedOn": _time(file.uploaded_at), "wheelyard_signedOn": _time(signing.at)},
        },
    }


def _epoch_of(run: BuildRun) -> dict[str, str]:
    return {} if run.epoch is None else {"SOURCE_DATE_EPOCH": str(run.epoch)}


def _builder(signing: Signing, agent_sha256: str | None) -> dict[str, Any]:
    builder: dict[str, Any] = {"id": signing.builder_id, "version": {"wheelyard": signing.version}}
    if agent_sha256 is not None:
        builder["builderDependencies"] = [{"name": "agent", "digest": {"sha256": agent_sha256}}]
    return builder


def _target(target: Target) -> dict[str, str]:
    return {"python": target.python, "platform": target.platform}


def _recipe(order: BuildOrder) -> dict[str, Any]:
    """Return a recipe's keys that are not at their defaults; of its files, the digests."""
    recipe = order.recipe
    asked = {one.name: getattr(recipe, one.name) for one in fields(recipe)}
    said = {name: value for name, value in asked.items() if value != getattr(_NO_RECIPE, name)}
    keys = {name: _file_digests(value) if name in FILES else _plain(value) for name, value in said.items()}
    return {"digest": {"sha256": recipe.digest}, "requestedDigest": {"sha256": order.recipe_digest}, "keys": keys}


def _plain(value: object) -> Any:  # noqa: ANN401  (what JSON holds)
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return asdict(value) if hasattr(value, "__dataclass_fields__") else value  # type: ignore[call-overload]


def _file_digests(files: Iterable[RecipeFile]) -> dict[str, str]:
    return {one.name: hashlib.sha256(one.data).hexdigest() for one in files}


def _dependencies(order: BuildOrder, wheel: Wheel, run: BuildRun) -> Iterator[dict[str, Any]]:
    yield from _sources(order)
    yield _part("recipe", f"recipe of {order.project}", order.recipe.digest)
    for name, files in (("patch", order.recipe.patches), ("script", order.recipe.before_build)):
        yield from (_part(name, one, digest) for one, digest in _file_digests(files).items())
    yield from (_part("script", one, digest) for one, digest in _file_digests(order.recipe.after_build).items())
    for source in order.recipe.sources:
        yield _part("further source", source.to, source.sha256, uri=source.url)
    for one in wheel.build_requirements:
        yield _part("build requirement", one.filename, one.sha256, uri=one.url, version=_version_of(one.filename))
    for archive in run.crates:
        crates = [{"name": name, "version": version, "sha256": sha256} for name, version, sha256 in archive.crates]
        yield _part("crates", "crates.tar.gz", archive.sha256, crates=crates)
    images = {"builder image": wheel.builder_image, "runtime image": wheel.runtime_image}
    for proof in wheel.proofs:
        if proof.runtime_image != wheel.runtime_image:
            images[f"{proof.suite} {proof.python} runtime image"] = proof.runtime_image
    yield from (_image(role, image, run.images.get(image)) for role, image in images.items())


def _sources(order: BuildOrder) -> Iterator[dict[str, Any]]:
    sdist, git, local = order.sdist, order.sdist.git, order.sdist.local
    is_made_here = git is not None
    if git is not None:
        yield {
            "name": f"commit {git.commit}",
            "uri": f"git+{_shown(git.url)}@{git.commit}",
            "digest": {"gitCommit": git.commit},
            "annotations": {"role": "source", "sdist": sdist.filename},
        }
    elif local is not None and local.kind is LocalKind.FOLDER:
        is_made_here = True
        yield _part("source", local.name, local.sha256)
    if sdist.sha256:
        role = "sdist of the source" if is_made_here else "source"
        yield _part(role, sdist.filename, sdist.sha256, uri=sdist.file.address if sdist.file else sdist.url)


def _part(role: str, name: str, sha256: str, *, uri: str | None = None, **more: object) -> dict[str, Any]:
    part: dict[str, Any] = {"name": name, "digest": {"sha256": sha256}, "annotations": {"role": role}}
    if uri:
        part["uri"] = _shown(uri)
    part["annotations"].update({key: value for key, value in more.items() if value})
    return part


def _shown(url: str) -> str:
    """Return a URL without the user and the password that it may have."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _version_of(filename: str) -> str:
    try:
        return str(read_wheel_name(filename).version)
    except RefusedTextError:
        return ""


def _image(role: str, image: str, content: ImageContent | None) -> dict[str, Any]:
    algorithm, _, digest = image.rpartition(":")
    annotations: dict[str, Any] = {"role": role}
    if content is not None:
        annotations |= {
            "definition": content.version,
            "packages": [f"{one.name}={one.version}:{one.architecture}" for one in content.packages],
            "pythons": [{"version": version, "sha256": sha256} for version, sha256 in content.pythons],
            "tools": [{"name": name, "version": version, "sha256": sha256} for name, version, sha256 in content.tools],
            "archives": [f"{one.source} {one.text}" for one in sorted(content.archive_dates)],
        }
    return {
        "name": content.name if content is not None else role,
        "digest": {algorithm or "sha256": digest},
        "annotations": annotations,
    }


def _byproducts(wheel: Wheel) -> Iterator[dict[str, Any]]:
    """Yield what repair put into the wheel, and what it changed."""
    for one in wheel.grafted:
        annotations = {"package": one.package, "version": one.package_version, "source": one.source_package}
        said = {key: value for key, value in annotations.items() if value}
        yield _part("grafted library", one.path, one.sha256) | {"annotations": {"role": "grafted library", **said}}
    report = {
        "policy": wheel.policy,
        "tagBeforeRepair": wheel.tag_before_repair,
        "changes": list(wheel.changes),
        "provenOn": [{"suite": one.suite, "python": one.python, "platform": one.platform} for one in wheel.proofs],
        "imported": list(wheel.imported_modules),
    }
    digest = hashlib.sha256(_encode(report)).hexdigest()
    yield {"name": "repair and proof", "digest": {"sha256": digest}, "annotations": {"role": "report", **report}}


@dataclass(frozen=True, kw_only=True, slots=True)
class ProvenanceSummary:
    """A provenance object of ours in short, for people. It is not checked here."""

    builder_id: str
    signed_at: str
    authority: str
    """The sha256 of the authority's certificate."""
    parts: tuple[tuple[str, int], ...]
    """How many of each kind it was made of, such as 3 of "build requirement"."""
    others: int
    """The number of attestations that came with an upload."""


def summarize(provenance: bytes) -> ProvenanceSummary:
    """Return a provenance object of ours in short; raise ValueError if it is none."""
    try:
        bundles = json.loads(provenance)["attestation_bundles"]
        statements = [json.loads(base64.b64decode(one["envelope"]["statement"])) for one in bundles[0]["attestations"]]
        predicate = next(one["predicate"] for one in statements if one["predicateType"] == SLSA)
        roles = Counter(str(one["annotations"]["role"]) for one in predicate["buildDefinition"]["resolvedDependencies"])
        return ProvenanceSummary(
            builder_id=str(predicate["runDetails"]["builder"]["id"]),
            signed_at=str(predicate["runDetails"]["metadata"]["wheelyard_signedOn"]),
            authority=str(bundles[0]["publisher"]["authority"]),
            parts=tuple(roles.items()),
            others=sum(len(one["attestations"]) for one in bundles[1:]),
        )
    except (KeyError, IndexError, TypeError, StopIteration) as error:
        raise ValueError("it is no provenance object of ours") from error


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _encode(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
