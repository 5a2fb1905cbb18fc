"""What a provenance statement of ours records of a build, read so that the build can be done again.

The statement may come from anybody. It can only name releases, packages and files that are looked up by name and hash,
and keys of a recipe, which have the same effect as in a recipe that somebody hands over.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any, Final, get_args, get_origin, get_type_hints

from wheelyard.domain.builds.build import BuildOrder
from wheelyard.domain.catalogue.sbom import ImageContent
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.provenance.statements import BUILD_TYPE, FILES, SLSA
from wheelyard.domain.recipes.effective import EffectiveRecipe, RecipeFile, SourceFile
from wheelyard.domain.untrusted.file_names import read_project_name, read_wheel_name
from wheelyard.domain.untrusted.json_text import read_json
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.versions import read_version
from wheelyard.errors import NotRebuildableError

MOST_BYTES: Final = 16 << 20
_SDIST: Final = f"{BUILD_TYPE}/sdist"
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_MOST_SHOWN: Final = 5
_SHOWN: Final = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedWheel:
    """A wheel that was there when the build's environment was made."""

    filename: str
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedImage:
    """An image, and what was in it."""

    id: str
    """With its algorithm, such as ``sha256:0123…``."""
    packages: frozenset[tuple[str, str]]
    """Name and version of each system package; empty if they were not recorded."""
    pythons: frozenset[tuple[str, str]]
    """Version and the source's sha256 of each CPython."""

    def changes(self, other: ImageContent) -> tuple[str, ...]:
        """Return what another image has instead, a sentence each; nothing if all packages are the same."""
        there = {(one.name, one.version) for one in other.packages}
        had = dict(sorted(self.packages - there))
        has = dict(sorted(there - self.packages))
        changed = [_change(name, had.get(name), has.get(name)) for name in sorted({*had, *has})]
        pythons = frozenset(other.pythons)
        if self.pythons and pythons != self.pythons:
            was, is_now = (", ".join(sorted(version for version, _ in one)) for one in (self.pythons, pythons))
            changed.append(f"Python {is_now} in place of {was}, or of another source")
        return tuple(changed)


def _change(name: str, had: str | None, has: str | None) -> str:
    if had is None:
        return f"{name} {has} more"
    return f"{name} {had} is missing" if has is None else f"{name} {has} in place of {had}"


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedBuild:
    """A build of a release's sdist, as its wheel's provenance states it."""

    filename: str
    project: str
    version: str
    target: Target
    suite: str
    build_number: int
    sdist_sha256: str
    recipe: Mapping[str, Any]
    """The keys of its effective recipe that were not at their defaults; of its files, the sha256 by name."""
    recipe_digest: str
    requirements: tuple[RecordedWheel, ...]
    builder: RecordedImage
    agent_sha256: str | None
    """The program that ran in the containers; None if it was not recorded."""

    def pin(self, order: BuildOrder) -> BuildOrder:
        """Return today's order of the same release with what was recorded in place of what holds today.

        Raises:
            NotRebuildableError: It would be built from another sdist, in another suite, or by other files of a recipe.
        """
        if order.sdist.sha256 != self.sdist_sha256:
            raise self.refuse(f"the index has {order.sdist.filename} with another hash than the sdist that it names")
        if (order.builder, order.target) != (self.suite, self.target):
            raise self.refuse(f"{self.target} is built on {order.builder} today, and was on {self.suite}")
        recipe = self._recipe(order.recipe)
        if recipe.digest != self.recipe_digest:
            raise self.refuse("the recipe that it records has another digest than it states")
        return replace(order, recipe=recipe, recipe_digest=recipe.digest)

    def _recipe(self, today: EffectiveRecipe) -> EffectiveRecipe:
        values: dict[str, Any] = {}
        for name, value in self.recipe.items():
            values[name] = self._files(name, value, getattr(today, name)) if name in FILES else value
        return EffectiveRecipe(**values)

    def _files(self, key: str, recorded: Mapping[str, str], today: tuple[RecipeFile, ...]) -> tuple[RecipeFile, ...]:
        """Return the files of a recipe of today if they are those that were recorded."""
        has = {one.name: hashlib.sha256(one.data).hexdigest() for one in today}
        other = sorted(name for name in {*recorded, *has} if recorded.get(name) != has.get(name))
        if other:
            raise self.refuse(
                f"the files of its recipe are recorded by their hashes only, and the recipe here has others: "
                f"{key} {', '.join(other[:_MOST_SHOWN])}. Give the recipes as they were with --recipes"
            )
        return today

    def refuse(self, reason: str) -> NotRebuildableError:
        """Return the error that it cannot be built again."""
        return NotRebuildableError(file=self.filename, reason=reason)


def read_recorded(provenance: bytes, *, filename: str, sha256: str) -> RecordedBuild:
    """Return what a provenance object of ours says of the build of a wheel.

    Its signature is not checked here; ``wheelyard verify`` does that.

    Raises:
        NotRebuildableError: It says nothing of this file, cannot be read, or the file was not built from the sdist of
            a release.
    """
    try:
        predicate = _predicate(provenance, filename, sha256)
        definition = predicate["buildDefinition"]
        if definition["buildType"] != _SDIST:
            kind = str(definition["buildType"]).rpartition("/")[2][:_SHOWN]
            reason = f"it was not built from the sdist of a release, but came about as {kind!r}"
            raise NotRebuildableError(file=filename, reason=reason)
        return _read(predicate, filename)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, StopIteration) as error:
        reason = f"its provenance cannot be read ({str(error)[:_SHOWN] or type(error).__name__})"
        raise NotRebuildableError(file=filename, reason=reason) from error


def _predicate(provenance: bytes, filename: str, sha256: str) -> Any:  # noqa: ANN401  (what JSON holds)
    """Return the SLSA predicate about a file."""
    for bundle in read_json(provenance, max_bytes=MOST_BYTES)["attestation_bundles"]:
        for one in bundle["attestations"]:
            statement = read_json(base64.b64decode(one["envelope"]["statement"]), max_bytes=MOST_BYTES)
            about = {(str(subject["name"]), str(subject["digest"]["sha256"])) for subject in statement["subject"]}
            if statement["predicateType"] == SLSA and (filename, sha256) in about:
                return statement["predicate"]
    raise RefusedTextError("it has no statement on how a file with this name and these bytes was built")


def _read(predicate: Mapping[str, Any], filename: str) -> RecordedBuild:
    definition, details = predicate["buildDefinition"], predicate["runDetails"]
    asked, inside = definition["externalParameters"], definition["internalParameters"]
    name = read_wheel_name(filename)
    project, version = read_project_name(asked["project"]), read_version(asked["version"])
    if (project, version) != (name.project, name.version):
        raise RefusedTextError(f"it is about {project} {version}")
    parts = [(str(one["annotations"]["role"]), one) for one in definition["resolvedDependencies"]]
    return RecordedBuild(
        filename=filename,
        project=project,
        version=str(version),
        target=Target.parse(python=_text(asked["target"]["python"]), platform=_text(asked["target"]["platform"])),
        suite=_text(inside["suite"]),
        build_number=name.build[0] if name.build else 1,
        sdist_sha256=next(_sha256(one) for role, one in parts if role == "source"),
        recipe=dict(_keys(asked["recipe"]["keys"])),
        recipe_digest=_sha256(asked["recipe"]),
        requirements=tuple(_requirements(one for role, one in parts if role == "build requirement")),
        builder=next(_image(one) for role, one in parts if role == "builder image"),
        agent_sha256=next((_sha256(one) for one in details["builder"].get("builderDependencies", ())), None),
    )


def _requirements(parts: Iterable[Mapping[str, Any]]) -> Iterator[RecordedWheel]:
    for one in parts:
        read_wheel_name(one["name"])
        yield RecordedWheel(filename=one["name"], sha256=_sha256(one))


def _image(part: Mapping[str, Any]) -> RecordedImage:
    said, ((algorithm, digest),) = part["annotations"], part["digest"].items()
    if not (re.fullmatch(r"[a-z0-9]{1,20}", algorithm) and _SHA256.fullmatch(digest)):
        raise RefusedTextError("the digest of its builder image is none")
    named = [_text(one).rpartition(":")[0].partition("=") for one in said.get("packages", ())]
    pythons = [(_text(one["version"]), _text(one["sha256"])) for one in said.get("pythons", ())]
    return RecordedImage(
        id=f"{algorithm}:{digest}",
        packages=frozenset((name, version) for name, _, version in named),
        pythons=frozenset(pythons),
    )


def _keys(recorded: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield a recipe's keys with values of their types."""
    types = get_type_hints(EffectiveRecipe)
    known = {one.name for one in fields(EffectiveRecipe)}
    for name, value in recorded.items():
        if name not in known:
            raise RefusedTextError(f"it has a key {name[:_SHOWN]!r}, which recipes do not have")
        if name in FILES:
            yield name, {_text(file): _checked(digest) for file, digest in value.items()}
        else:
            yield name, _typed(value, types[name], name)


def _typed(value: Any, kind: Any, name: str) -> Any:  # noqa: ANN401  (what JSON holds)
    """Return a JSON value as a field's type asks: lists as tuples, objects as data classes."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is tuple and isinstance(value, list):
        if inner[-1] is Ellipsis:
            return tuple(_typed(one, inner[0], name) for one in value)
        if len(inner) == len(value):
            return tuple(_typed(one, part, name) for one, part in zip(value, inner, strict=True))
    elif kind is SourceFile and isinstance(value, dict):
        return SourceFile(url=_text(value["url"]), sha256=_checked(value["sha256"]), to=_text(value["to"]))
    elif inner and origin is not tuple:
        for one in inner:
            if (found := _typed_or_missing(value, one, name)) is not MISSING:
                return found
    elif isinstance(kind, type) and _is(value, kind):
        return value
    raise RefusedTextError(f"the recipe's {name} has a value of another kind")


def _typed_or_missing(value: Any, kind: Any, name: str) -> Any:  # noqa: ANN401  (what JSON holds)
    try:
        return _typed(value, kind, name)
    except RefusedTextError:
        return MISSING


def _is(value: object, kind: type) -> bool:
    """Return whether a JSON value is of a type; a truth value is no number, and a whole number may stand for others."""
    return type(value) is kind or (kind is float and type(value) is int)


def _sha256(part: Mapping[str, Any]) -> str:
    return _checked(part["digest"]["sha256"])


def _checked(digest: object) -> str:
    if not isinstance(digest, str) or _SHA256.fullmatch(digest) is None:
        raise RefusedTextError(f"{str(digest)[:_SHOWN]!r} is no sha256")
    return digest


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise RefusedTextError(f"{str(value)[:_SHOWN]!r} is no text")
    return value
