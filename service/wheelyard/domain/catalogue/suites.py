"""The suites of the catalogue: images that are made here, and builders that others make. Must not read files."""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag

from wheelyard.domain.packaging.target import Policy
from wheelyard.domain.recipes.types import PackageName

SNAPSHOT: Final = "{snapshot}"
"""Stands in a suite's mirrors for its moment."""


def _check_policy(text: str) -> str:
    Policy.parse(f"{text}_any")
    return text


PythonName = Annotated[str, Field(pattern=r"^3\.[1-9][0-9]?$")]
SuiteName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
PolicyName = Annotated[str, AfterValidator(_check_policy)]
ForeignPolicyName = Annotated[str, Field(pattern=r"^(manylinux|musllinux)_[0-9]+_[0-9]+$")]
ComponentName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
MirrorUrl = Annotated[str, Field(pattern=r"^https?://[^\s\"]+$")]


class CatalogueTable(BaseModel):
    """A table of the catalogue: an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=lambda name: name.replace("_", "-"))


class Packages(CatalogueTable):
    """System packages of a suite, by what they are for."""

    runtime: tuple[PackageName, ...]
    """Shared libraries that CPython needs; in every image."""
    build: tuple[PackageName, ...]
    """Compilers and their kind; in builders."""
    python: tuple[PackageName, ...]
    """What compiling CPython needs; in no finished image."""


class _Entry(CatalogueTable):
    policy: PolicyName
    """Policy that wheels built here can comply with, without the architecture, such as ``manylinux_2_36``."""
    architectures: Annotated[tuple[Literal["x86_64", "aarch64"], ...], Field(min_length=1)]
    """Machines that its images can be built on."""
    pythons: Annotated[tuple[PythonName, ...], Field(min_length=1)]
    """Pythons that there are builders and runtime images for."""
    warning: str = ""
    """What whoever uses it should know; shown in lists and in build logs."""


class Suite(_Entry):
    """A release of a distribution that images are made from, bootstrapped with mmdebstrap."""

    kind: Literal["mmdebstrap"] = "mmdebstrap"
    packages: Packages
    """System packages that the images are made of."""
    components: Annotated[tuple[ComponentName, ...], Field(min_length=1)] = ("main",)
    """Parts of the archive that packages come from, such as ``main`` and ``universe``."""
    mirror: MirrorUrl | None = None
    """The suite's package mirror. Default: the operator's, else the distribution's own."""
    security_mirror: MirrorUrl | None = None
    """Mirror of its security archive. Default: ``mirror`` with ``-security`` after it."""
    snapshot: Annotated[str | None, Field(pattern=r"^[0-9]{8}T[0-9]{6}Z$")] = None
    """A moment of an archive that keeps its past (``20261101T000000Z``), put for ``{snapshot}`` in the mirrors."""

    @property
    def mirrors(self) -> tuple[str, str] | None:
        """Its own mirror and that of its security archive, at the moment that it names; None if it has none."""
        if self.mirror is None:
            return None
        plain = self.mirror.rstrip("/")
        security = (self.security_mirror or f"{plain}-security").rstrip("/")
        moment = self.snapshot or ""
        return plain.replace(SNAPSHOT, moment), security.replace(SNAPSHOT, moment)

    @property
    def package_manager(self) -> str:
        """What installs a recipe's system packages in it."""
        return "apt"

    def policy_on(self, architecture: str) -> Policy:
        """Complete the policy with an architecture."""
        return Policy.parse(f"{self.policy}_{architecture}")


class ImageSuite(_Entry):
    """A builder that others make, such as the PyPA's; ours is a layer on it, and a suite of ours proves its wheels."""

    kind: Literal["image"]
    policy: ForeignPolicyName
    """Policy of the image, without the architecture; ``musllinux_1_2`` is one, too."""
    image: Annotated[str, Field(pattern=r"^[a-z0-9][A-Za-z0-9._/:@-]*$")]
    """The image's reference; by digest if it shall not change."""
    package_manager: Literal["apt", "dnf", "apk"]
    """What installs a recipe's system packages; decides which of a recipe's keys counts."""
    python_path: Annotated[str, Field(pattern=r"^/[A-Za-z0-9_./{}-]+$")] = "/opt/python/{python}/bin/python{python}"
    """Where a Python is, with ``{python}`` (3.13) or ``{tag}`` (cp313-cp313) in it."""
    runtime: SuiteName | None = None
    """The suite made here whose bare runtime proves its wheels. Without one it is listed, and nothing built in it."""

    @property
    def is_buildable(self) -> bool:
        """Whether wheels can be built in it: there is a runtime to prove them in, and ours all have glibc."""
        return self.runtime is not None and self.policy.startswith("manylinux_")

    def policy_on(self, architecture: str) -> Policy:
        """Complete the policy with an architecture."""
        return Policy.parse(f"{self.policy}_{architecture}")

    def python_prefix(self, python: str) -> str:
        """Say where a Python is: the folder that its ``bin`` is in."""
        tag = f"cp{python.replace('.', '')}"
        path = self.python_path.replace("{python}", python).replace("{tag}", f"{tag}-{tag}")
        return path.rsplit("/", 2)[0]


def _kind_of(entry: object) -> str:
    kind = entry.get("kind", "mmdebstrap") if isinstance(entry, dict) else getattr(entry, "kind", "mmdebstrap")
    return str(kind)


AnySuite = Annotated[
    Annotated[Suite, Tag("mmdebstrap")] | Annotated[ImageSuite, Tag("image")],
    Discriminator(_kind_of),
]
