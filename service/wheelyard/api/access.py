"""Routes of tokens (create, list, revoke) and of the audit log."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final, Self

from fastapi import APIRouter, Depends, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from wheelyard import errors
from wheelyard.api.authentication import AuthenticatedRoute, Caller, bearer_scheme
from wheelyard.api.docs import INVALID_REQUEST, problems
from wheelyard.api.schemas.base import NO_NUL, PLAIN_TEXT, View
from wheelyard.api.services import Services
from wheelyard.domain.access import LONGEST_PUBLISHED, MAX_AUDIT_ENTRIES, MOST_PUBLISHED, AuditEntry, AuditFilter, Scope

router: Final = APIRouter(
    prefix="/v1/tokens", tags=["tokens"], route_class=AuthenticatedRoute, dependencies=[Depends(bearer_scheme)]
)
_NO_SUCH_TOKEN: Final = errors.NotFoundError(kind="token", name="0e3c2b1a-5a5e-4a0e-9d62-5f3f5a7a8b11")
_TOO_LARGE: Final = errors.RequestTooLargeError(limit_bytes=64 << 10)
_Published = Annotated[str, Field(min_length=1, max_length=LONGEST_PUBLISHED, pattern=PLAIN_TEXT)]


class NewToken(BaseModel):
    """A token to create."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: Annotated[str, Field(min_length=1, max_length=100, pattern=PLAIN_TEXT)]
    """Name of the person or program that uses the token."""
    scope: Scope = Scope.REQUEST
    """Scope of the token. `operate` includes `request` and `publish`, which both include `read`."""
    publishes: Annotated[tuple[_Published, ...], Field(max_length=MOST_PUBLISHED)] = ()
    """Projects that a token with the scope `publish` may upload: names, prefixes such as `acme-*`, or `*` for all. Must
    be empty for other scopes: `operate` and `admin` may upload every project."""
    expires_at: AwareDatetime | None = None
    """Time when the token expires; null for never."""


class TokenView(View):
    """A token, without its secret."""

    id: str
    name: str
    scope: Scope
    publishes: tuple[str, ...]
    """Projects that a token with the scope `publish` may upload: normalised names and prefixes."""
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class CreatedTokenView(TokenView):
    """A new token with its secret, which is only shown once."""

    secret: str
    """Send it as `Authorization: Bearer SECRET`."""


@router.get("", operation_id="list_tokens", summary="List tokens", responses=problems())
async def list_tokens(services: Services) -> list[TokenView]:
    """List all tokens, newest first, including revoked and expired ones."""
    return [TokenView.model_validate(token) for token in await services.tokens.list_tokens()]


@router.post(
    "",
    status_code=201,
    operation_id="create_token",
    summary="Create a token",
    responses=problems(INVALID_REQUEST, _TOO_LARGE),
)
async def create_token(body: NewToken, services: Services, caller: Caller, response: Response) -> CreatedTokenView:
    """Create a token. Its secret is only in this response."""
    token, secret = await services.tokens.create(
        name=body.name,
        scope=body.scope,
        publishes=body.publishes,
        expires_at=body.expires_at,
        created_by=caller.actor,
    )
    response.headers["Cache-Control"] = "no-store"
    return CreatedTokenView(**TokenView.model_validate(token).model_dump(), secret=secret)


@router.post(
    "/{token_id}/revoke", operation_id="revoke_token", summary="Revoke a token", responses=problems(_NO_SUCH_TOKEN)
)
async def revoke_token(token_id: str, services: Services, caller: Caller) -> TokenView:
    """Revoke a token and its sessions immediately. A revoked token does not change."""
    return TokenView.model_validate(await services.tokens.revoke(token_id, revoked_by=caller.actor))


audit_router: Final = APIRouter(
    prefix="/v1/audit", tags=["audit"], route_class=AuthenticatedRoute, dependencies=[Depends(bearer_scheme)]
)
_Text = Annotated[str, Field(max_length=200, pattern=NO_NUL)]


class AuditQuery(BaseModel):
    """Filters of the audit log."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    object: _Text | None = None
    """Only changes of the build, request or token with this id, of the wheel with this file name, or of the recipe of
    this project."""
    actor: _Text | None = None
    """Only changes by this actor, named as in the entries."""
    before: Annotated[int | None, Field(ge=1, le=(1 << 63) - 1)] = None
    """Only entries older than the one with this id."""
    limit: Annotated[int, Field(ge=1, le=MAX_AUDIT_ENTRIES)] = 50
    """Maximum number of entries."""


class AuditEntryView(View):
    """An entry of the audit log: one change."""

    id: int
    at: datetime
    actor: str
    """Token name with the beginning of its id, or a user of the service's host."""
    action: str
    """The change, such as `build.requested`."""
    object: str
    """Id of the changed object."""
    details: Mapping[str, str]

    @classmethod
    def of(cls, entry: AuditEntry) -> Self:
        """Return the view of an entry."""
        change = entry.change
        return cls(
            id=entry.id,
            at=entry.at,
            actor=change.actor,
            action=change.action,
            object=change.object,
            details=dict(change.details),
        )


@audit_router.get("", operation_id="list_audit", summary="Read the audit log", responses=problems(INVALID_REQUEST))
async def list_audit(wanted: Annotated[AuditQuery, Query()], services: Services) -> list[AuditEntryView]:
    """List changes and who made them, newest first. For older entries, pass the last entry's id as `before`."""
    entries = await services.audit.list_entries(AuditFilter(**wanted.model_dump()))
    return [AuditEntryView.of(entry) for entry in entries]
