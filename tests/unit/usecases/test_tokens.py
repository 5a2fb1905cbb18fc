"""Tokens: shown once, kept as digests, refused for a reason."""

from datetime import timedelta

import pytest
from tests.contract.samples import BEGINNING, ManualClock
from tests.fakes.access import MemoryTokens
from tests.fakes.records import MemoryState

from wheelyard.errors import NotFoundError, UnauthenticatedError
from wheelyard.usecases.tokens import Tokens, digest_secret


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(BEGINNING)


@pytest.fixture
def state(clock: ManualClock) -> MemoryState:
    return MemoryState(clock=clock)


@pytest.fixture
def tokens(state: MemoryState) -> Tokens:
    secrets = iter(["first", "second"])
    return Tokens(store=MemoryTokens(state), new_secret=lambda: next(secrets))


async def test_new_token_opens_at_once(tokens: Tokens) -> None:
    token, secret = await tokens.create(name="ci", created_by="root")
    assert secret == "wy_first"
    assert (await tokens.authenticate(f"Bearer {secret}")).id == token.id


async def test_scheme_is_read_in_any_case_and_spacing(tokens: Tokens) -> None:
    _, secret = await tokens.create(name="ci", created_by="root")
    for header in (f"bearer {secret}", f"BEARER  {secret} "):
        assert (await tokens.authenticate(header)).name == "ci"


async def test_secret_is_kept_only_as_a_digest(tokens: Tokens, state: MemoryState) -> None:
    token, secret = await tokens.create(name="ci", created_by="root")
    assert secret not in repr(state.tokens)
    assert state.tokens[token.id][0] == digest_secret(secret)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (None, "no Authorization header"),
        ("", "no Authorization header"),
        ("Bearer", "not of the form"),
        ("Bearer ", "not of the form"),
        ("Basic dXNlcjpwYXNz", "not of the form"),
        ("wy_first", "not of the form"),
        ("Bearer wy_wrong", "unknown, expired or revoked"),
    ],
)
async def test_refusal_says_what_is_wrong_but_not_the_secret(tokens: Tokens, header: str | None, reason: str) -> None:
    await tokens.create(name="ci", created_by="root")
    with pytest.raises(UnauthenticatedError, match=reason) as caught:
        await tokens.authenticate(header)
    assert "wy_" not in str(caught.value)


async def test_token_is_refused_from_its_expiry_on(tokens: Tokens, clock: ManualClock) -> None:
    _, secret = await tokens.create(name="ci", created_by="root", expires_at=BEGINNING + timedelta(seconds=60))
    clock.advance(59)
    await tokens.authenticate(f"Bearer {secret}")
    clock.advance(1)
    with pytest.raises(UnauthenticatedError):
        await tokens.authenticate(f"Bearer {secret}")


async def test_revoked_token_is_refused_and_the_other_is_not(tokens: Tokens) -> None:
    first, first_secret = await tokens.create(name="ci", created_by="root")
    _, second_secret = await tokens.create(name="laptop", created_by="root")
    await tokens.revoke(first.id, revoked_by="root")
    with pytest.raises(UnauthenticatedError):
        await tokens.authenticate(f"Bearer {first_secret}")
    assert (await tokens.authenticate(f"Bearer {second_secret}")).name == "laptop"
    assert [token.name for token in await tokens.list_tokens()] == ["laptop", "ci"]


async def test_unknown_token_cannot_be_revoked(tokens: Tokens) -> None:
    with pytest.raises(NotFoundError):
        await tokens.revoke("no-such-token", revoked_by="root")
