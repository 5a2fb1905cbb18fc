"""The route of the audit log: who changed what, and when."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final, Self

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from wheelyard.api.authentication import AuthenticatedRoute, bearer_scheme
from wheelyard.api.docs import INVALID_REQUEST, problems
from wheelyard.api.schemas.base import NO_NUL, View
from wheelyard.api.services import Services
from wheelyard.domain.access import MAX_AUDIT_ENTRIES, AuditEntry, AuditFilter

router: Final = APIRouter(
    prefix="/v1/audit", tags=["audit"], route_class=AuthenticatedRoute, dependencies=[Depends(bearer_scheme)]
)
_Text = Annotated[str, Field(max_length=200, pattern=NO_NUL)]


class AuditQuery(BaseModel):
    """Which entries a list shows."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    object: _Text | None = None
    """Only changes of the build, request or token with this id, or of the wheel of this name."""
    actor: _Text | None = None
    """Only what this actor did, as entries name it."""
    before: Annotated[int | None, Field(ge=1, le=(1 << 63) - 1)] = None
    """Only entries older than the one with this id."""
    limit: Annotated[int, Field(ge=1, le=MAX_AUDIT_ENTRIES)] = 50
    """How many at most."""


class AuditEntryView(View):
    """Something that somebody changed."""

    id: int
    at: datetime
    actor: str
    """A token by name and the beginning of its id, or a user of the service's host."""
    action: str
    """What was done, such as `build.requested`."""
    object: str
    """Id of what it was done to."""
    details: Mapping[str, str]

    @classmethod
    def of(cls, entry: AuditEntry) -> Self:
        """Show an entry."""
        change = entry.change
        return cls(
            id=entry.id,
            at=entry.at,
            actor=change.actor,
            action=change.action,
            object=change.object,
            details=dict(change.details),
        )


@router.get("", operation_id="list_audit", summary="Read the audit log", responses=problems(INVALID_REQUEST))
async def list_audit(wanted: Annotated[AuditQuery, Query()], services: Services) -> list[AuditEntryView]:
    """List who changed what, newest first; give the last entry's id as `before` to read on."""
    entries = await services.audit.list_entries(AuditFilter(**wanted.model_dump()))
    return [AuditEntryView.of(entry) for entry in entries]
