"""What the routes of our index are given to work with. Must not make any of it: that is wiring's part."""

from dataclasses import dataclass

from wheelyard.usecases.browse_index import BrowseIndex, WheelBytes
from wheelyard.usecases.check_index import CheckIndex
from wheelyard.usecases.manage_wheels import ManageWheels
from wheelyard.usecases.simple_pages import SimplePages


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexAccess:
    """Who may read the index without a token (docs/decisions/0014)."""

    anonymous: bool = False
    """Everybody."""
    this_host: bool = False
    """Programs on this host, for a service that nobody else can reach."""
    local: bool = False
    """The service listens on this host alone: without a token it answers to this host's names only."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexServices:
    """The use cases of our index."""

    pages: SimplePages
    """What users install from."""
    staged_pages: SimplePages
    """The same, and what is staged."""
    own_pages: SimplePages
    """What users install from, without what was mirrored."""
    files: WheelBytes
    browse: BrowseIndex
    manage: ManageWheels
    check: CheckIndex
    access: IndexAccess
    public_url: str | None = None
    """Where users reach the API, if it is not where a request came to."""
