"""The routes of tokens: make, list, end. Must not hold rules: the use cases decide."""

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from wheelyard import errors
from wheelyard.api.authentication import AuthenticatedRoute, Caller, bearer_scheme
from wheelyard.api.docs import INVALID_REQUEST, problems
from wheelyard.api.schemas.base import PLAIN_TEXT, View
from wheelyard.api.services import Services
from wheelyard.domain.access import Scope

router: Final = APIRouter(
    prefix="/v1/tokens", tags=["tokens"], route_class=AuthenticatedRoute, dependencies=[Depends(bearer_scheme)]
)
_NO_SUCH_TOKEN: Final = errors.NotFoundError(kind="token", name="0e3c2b1a-5a5e-4a0e-9d62-5f3f5a7a8b11")
_TOO_LARGE: Final = errors.RequestTooLargeError(limit_bytes=64 << 10)


class NewToken(BaseModel):
    """A token to be made."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: Annotated[str, Field(min_length=1, max_length=100, pattern=PLAIN_TEXT)]
    """Who or what will use it."""
    scope: Scope = Scope.REQUEST
    """What it opens; each scope includes those before it."""
    expires_at: AwareDatetime | None = None
    """When it ends; null for never."""


class TokenView(View):
    """A token, without its secret."""

    id: str
    name: str
    scope: Scope
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class CreatedTokenView(TokenView):
    """A new token with its secret, which is shown this once."""

    secret: str
    """Send it as `Authorization: Bearer SECRET`."""


@router.get("", operation_id="list_tokens", summary="List tokens", responses=problems())
async def list_tokens(services: Services) -> list[TokenView]:
    """List every token, newest first, revoked and expired ones too."""
    return [TokenView.model_validate(token) for token in await services.tokens.list_tokens()]


@router.post(
    "",
    status_code=201,
    operation_id="create_token",
    summary="Make a token",
    responses=problems(INVALID_REQUEST, _TOO_LARGE),
)
async def create_token(body: NewToken, services: Services, caller: Caller, response: Response) -> CreatedTokenView:
    """Make a token. Its secret is in this answer and nowhere else."""
    token, secret = await services.tokens.create(
        name=body.name, scope=body.scope, expires_at=body.expires_at, created_by=caller.actor
    )
    response.headers["Cache-Control"] = "no-store"
    return CreatedTokenView(**TokenView.model_validate(token).model_dump(), secret=secret)


@router.post(
    "/{token_id}/revoke", operation_id="revoke_token", summary="End a token", responses=problems(_NO_SUCH_TOKEN)
)
async def revoke_token(token_id: str, services: Services, caller: Caller) -> TokenView:
    """End a token and its sessions at once; one that has ended stays as it is."""
    return TokenView.model_validate(await services.tokens.revoke(token_id, revoked_by=caller.actor))
