"""Revisions of the recipes that the service keeps in its database (docs/decisions/0038)."""

from dataclasses import dataclass
from datetime import datetime

from packaging.utils import NormalizedName

from wheelyard.domain.builds.build import BuildOrder
from wheelyard.errors import NotFoundError, RecipeChangedError


@dataclass(frozen=True, kw_only=True, slots=True)
class NewRevision:
    """A recipe to store, or the removal of one."""

    project: NormalizedName
    text: str | None
    """The recipe in TOML; None removes it."""
    by: str
    """Who changes it, for records."""
    build_id: str | None = None
    """The healed build that the recipe was adopted from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RecipeRevision:
    """One revision of a project's recipe. None is ever changed or deleted."""

    project: NormalizedName
    number: int
    """Counted from 1 for each project; a removal has a number, too."""
    sequence: int
    """Its position among the revisions of all projects."""
    text: str | None
    """The recipe in TOML; None if this revision removed it."""
    by: str
    at: datetime
    build_id: str | None = None
    """The healed build that the recipe was adopted from."""

    @property
    def title(self) -> str:
        """Return its name for messages, such as ``lxml, revision 3 by alice (1a2b3c4d)``."""
        how = f" adopted from build {self.build_id[:8]}" if self.build_id else ""
        return f"{self.project}, revision {self.number}{how} by {self.by}"


@dataclass(frozen=True, kw_only=True, slots=True)
class AdoptedOrder:
    """A healed build that has succeeded, and the order that it counts as once its recipe is adopted."""

    build_id: str
    former_key: str
    """The key that the build must still have."""
    order: BuildOrder


def number_after(former: RecipeRevision | None, new: NewRevision, *, expected: int | None) -> int | None:
    """Return the number of a new revision; None if it would change nothing.

    Args:
        former: The newest revision; None if there is none.
        new: The recipe to store.
        expected: The number of the revision that the caller has seen, 0 for none; None skips the check.

    Raises RecipeChangedError if another revision is the newest, and NotFoundError if there is no recipe to remove.
    """
    text = former.text if former else None
    current = former.number if former and text is not None else 0
    if expected is not None and expected != current:
        raise RecipeChangedError(project=new.project, expected=expected, current=current)
    if new.text is None and text is None:
        raise NotFoundError(kind="recipe", name=new.project, where="in the database of this service")
    return None if new.text == text else (former.number if former else 0) + 1
