"""The suites of the catalogue: images that are made here, and external builders."""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag

from wheelyard.domain.packaging.target import Policy, python_version
from wheelyard.domain.recipes.types import PackageName

SNAPSHOT: Final = "{snapshot}"
"""Placeholder in a suite's mirrors for its snapshot."""


def _check_policy(text: str) -> str:
    Policy.parse(f"{text}_any")
    return text


PythonName = Annotated[str, Field(pattern=r"^3\.[1-9][0-9]?t?$")]
SuiteName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
PolicyName = Annotated[str, AfterValidator(_check_policy)]
ForeignPolicyName = Annotated[str, Field(pattern=r"^(manylinux|musllinux)_[0-9]+_[0-9]+$")]
ComponentName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
MirrorUrl = Annotated[str, Field(pattern=r"^https?://[^\s\"]+$")]


class CatalogueTable(BaseModel):
    """A table of the catalogue: an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=lambda name: name.replace("_", "-"))


class Packages(CatalogueTable):
    """System packages of a suite, by purpose."""

    runtime: tuple[PackageName, ...]
    """Shared libraries that CPython needs, in every image."""
    build: tuple[PackageName, ...]
    """Compilers and build tools, in builders."""
    python: tuple[PackageName, ...]
    """Packages to compile CPython, in no finished image."""


class _Entry(CatalogueTable):
    policy: PolicyName
    """The policy of wheels built in it, without the architecture, such as ``manylinux_2_36``."""
    architectures: Annotated[tuple[Literal["x86_64", "aarch64"], ...], Field(min_length=1)]
    """Architectures of its images."""
    pythons: Annotated[tuple[PythonName, ...], Field(min_length=1)]
    """Pythons of its builders and runtime images."""
    warning: str = ""
    """A warning for its users, shown in lists and build logs."""


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
    """Time of a snapshot archive (``20261101T000000Z``) that replaces ``{snapshot}`` in the mirrors."""

    @property
    def mirrors(self) -> tuple[str, str] | None:
        """Return its own mirror and security mirror, with the snapshot; None if it has none."""
        if self.mirror is None:
            return None
        plain = self.mirror.rstrip("/")
        security = (self.security_mirror or f"{plain}-security").rstrip("/")
        moment = self.snapshot or ""
        return plain.replace(SNAPSHOT, moment), security.replace(SNAPSHOT, moment)

    @property
    def package_manager(self) -> str:
        """Return the package manager for a recipe's system packages."""
        return "apt"

    def policy_on(self, architecture: str) -> Policy:
        """Complete the policy with an architecture."""
        return Policy.parse(f"{self.policy}_{architecture}")


class ImageSuite(_Entry):
    """An external builder, such as the PyPA's. Wheelyard adds a layer, and a suite of its own verifies the wheels."""

    kind: Literal["image"]
    policy: ForeignPolicyName
    """Policy of the image, without the architecture; ``musllinux_1_2`` is also valid."""
    image: Annotated[str, Field(pattern=r"^[a-z0-9][A-Za-z0-9._/:@-]*$")]
    """The image's reference, by digest if it must not change."""
    package_manager: Literal["apt", "dnf", "apk"]
    """The package manager, which decides whether a recipe's ``apt``, ``dnf`` or ``apk`` key applies."""
    python_path: Annotated[str, Field(pattern=r"^/[A-Za-z0-9_./{}-]+$")] = "/opt/python/{python}/bin/python{python}"
    """Path of a Python, with ``{python}`` (3.13) or ``{tag}`` (cp313-cp313, cp313-cp313t) in it."""
    runtime: SuiteName | None = None
    """The suite made here whose bare runtime verifies its wheels. Without one, nothing is built in it."""

    @property
    def is_buildable(self) -> bool:
        """Return whether wheels can be built in it: it needs a runtime to verify them, and all of those have glibc."""
        return self.runtime is not None and self.policy.startswith("manylinux_")

    def policy_on(self, architecture: str) -> Policy:
        """Complete the policy with an architecture."""
        return Policy.parse(f"{self.policy}_{architecture}")

    def python_prefix(self, python: str) -> str:
        """Return the prefix of a Python: the folder of its ``bin``."""
        abi = f"cp{python.replace('.', '')}"
        tag = f"{python_version(abi)}-{abi}"
        path = self.python_path.replace("{python}", python).replace("{tag}", tag)
        return path.rsplit("/", 2)[0]


def _kind_of(entry: object) -> str:
    kind = entry.get("kind", "mmdebstrap") if isinstance(entry, dict) else getattr(entry, "kind", "mmdebstrap")
    return str(kind)


AnySuite = Annotated[
    Annotated[Suite, Tag("mmdebstrap")] | Annotated[ImageSuite, Tag("image")],
    Discriminator(_kind_of),
]
