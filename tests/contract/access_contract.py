"""What the stores of tokens, sessions and the audit log must keep."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.contract.samples import sample_order
from tests.contract.stores import NOWHERE, Stores

from wheelyard.domain.access import MOST_SESSIONS, AuditFilter, Change, Scope
from wheelyard.errors import NotFoundError


class TokenContract:
    async def test_live_token_is_found_and_its_use_noted(self, stores: Stores) -> None:
        later = datetime.now(UTC) + timedelta(hours=1)
        token = await stores.token("ci", scope=Scope.OPERATE, expires_at=later)
        assert (token.name, token.scope, token.expires_at) == ("ci", Scope.OPERATE, later)
        assert token.last_used_at is None
        found = await stores.tokens.find("digest of ci")
        assert found is not None
        assert (found.id, found.scope, found.last_used_at is None) == (token.id, Scope.OPERATE, False)
        assert await stores.tokens.list_tokens() == (found,)

    async def test_projects_of_a_token_are_stored_and_in_the_audit_log(self, stores: Stores) -> None:
        token = await stores.token("ci", scope=Scope.PUBLISH, publishes=("acme-*", "tool"))
        assert token.publishes == ("acme-*", "tool")
        found = await stores.tokens.find("digest of ci")
        assert found is not None
        assert found.publishes == ("acme-*", "tool")
        assert await stores.tokens.list_tokens() == (found,)
        (entry,) = await stores.audit.list_entries(AuditFilter(object=token.id))
        assert entry.change.details["publishes"] == "acme-*, tool"

    async def test_session_has_the_projects_of_its_token(self, stores: Stores) -> None:
        token = await stores.token("ci", scope=Scope.PUBLISH, publishes=("tool",))
        await stores.tokens.open_session("s1", token=token, expires_at=datetime.now(UTC) + timedelta(hours=1))
        found = await stores.tokens.find_session("s1")
        assert found is not None
        assert found.may_publish("tool")

    async def test_unknown_token_is_not_found(self, stores: Stores) -> None:
        await stores.token("ci")
        assert await stores.tokens.find("digest of another") is None

    async def test_expired_token_is_not_found_and_stays_unused(self, stores: Stores) -> None:
        token = await stores.token("old", expires_at=datetime.now(UTC) - timedelta(hours=1))
        assert await stores.tokens.find("digest of old") is None
        assert await stores.tokens.list_tokens() == (token,)

    async def test_revoked_token_is_not_found_and_still_listed(self, stores: Stores) -> None:
        token = await stores.token("ci")
        revoked = await stores.tokens.revoke(token.id, revoked_by="root")
        assert revoked.revoked_at is not None
        assert await stores.tokens.find("digest of ci") is None
        assert await stores.tokens.revoke(token.id, revoked_by="root") == revoked
        assert await stores.tokens.list_tokens() == (revoked,)

    async def test_tokens_are_listed_newest_first(self, stores: Stores) -> None:
        for name in ("a", "b", "c"):
            await stores.token(name)
        assert [token.name for token in await stores.tokens.list_tokens()] == ["c", "b", "a"]

    async def test_unknown_token_cannot_be_revoked(self, stores: Stores) -> None:
        for token_id in (NOWHERE, "no-id-at-all"):
            with pytest.raises(NotFoundError):
                await stores.tokens.revoke(token_id, revoked_by="root")


class SessionContract:
    async def test_session_leads_to_its_token_and_notes_its_use(self, stores: Stores) -> None:
        token = await stores.token("ci")
        await stores.tokens.open_session("s1", token=token, expires_at=datetime.now(UTC) + timedelta(hours=1))
        found = await stores.tokens.find_session("s1")
        assert found is not None
        assert (found.id, found.last_used_at is None) == (token.id, False)
        assert await stores.tokens.find_session("s2") is None

    async def test_session_ends_with_its_time(self, stores: Stores) -> None:
        token = await stores.token("ci")
        await stores.tokens.open_session("s1", token=token, expires_at=datetime.now(UTC) - timedelta(hours=1))
        assert await stores.tokens.find_session("s1") is None

    async def test_session_ends_with_its_token(self, stores: Stores) -> None:
        token = await stores.token("ci")
        await stores.tokens.open_session("s1", token=token, expires_at=datetime.now(UTC) + timedelta(hours=1))
        await stores.tokens.revoke(token.id, revoked_by="root")
        assert await stores.tokens.find_session("s1") is None

    async def test_closed_session_is_not_found_and_may_be_closed_again(self, stores: Stores) -> None:
        token = await stores.token("ci")
        for secret in ("s1", "s2"):
            await stores.tokens.open_session(secret, token=token, expires_at=datetime.now(UTC) + timedelta(hours=1))
        for _ in range(2):
            await stores.tokens.close_session("s1")
        assert await stores.tokens.find_session("s1") is None
        assert await stores.tokens.find_session("s2") is not None

    async def test_token_has_a_bounded_number_of_sessions_the_latest(self, stores: Stores) -> None:
        token, other = await stores.token("ci"), await stores.token("other")
        end = datetime.now(UTC) + timedelta(hours=1)
        await stores.tokens.open_session("other", token=other, expires_at=end)
        for number in range(MOST_SESSIONS + 2):
            await stores.tokens.open_session(f"s{number}", token=token, expires_at=end + timedelta(seconds=number))
        found = [await stores.tokens.find_session(f"s{number}") for number in range(MOST_SESSIONS + 2)]
        assert [one is not None for one in found] == [False, False] + [True] * MOST_SESSIONS
        assert await stores.tokens.find_session("other") is not None


class AuditContract:
    async def test_every_change_is_written_down_once_with_who_made_it(self, stores: Stores) -> None:
        token = await stores.token("ci")
        build = (await stores.builds.submit(sample_order(), requested_by="alice")).build
        await stores.builds.submit(sample_order(), requested_by="bob")
        for _ in range(2):
            await stores.builds.request_cancel(build.id, requested_by="carol")
        await stores.tokens.open_session("s1", token=token, expires_at=datetime.now(UTC) + timedelta(hours=1))
        for _ in range(2):
            await stores.tokens.close_session("s1")
            await stores.tokens.revoke(token.id, revoked_by="dave")
        changes = [entry.change for entry in reversed(await stores.audit.list_entries(AuditFilter()))]
        assert [(change.actor, change.action, change.object) for change in changes] == [
            ("root", "token.created", token.id),
            ("alice", "build.requested", build.id),
            ("bob", "build.requested", build.id),
            ("carol", "build.cancelled", build.id),
            (token.actor, "session.opened", token.id),
            (token.actor, "session.closed", token.id),
            ("dave", "token.revoked", token.id),
        ]
        assert changes[0].details == {"name": "ci", "scope": "read"}
        assert [change.details["joined"] for change in changes[1:3]] == ["false", "true"]

    async def test_change_that_fails_leaves_no_entry(self, stores: Stores) -> None:
        with pytest.raises(NotFoundError):
            await stores.builds.request_cancel(NOWHERE, requested_by="alice")
        with pytest.raises(NotFoundError):
            await stores.tokens.revoke(NOWHERE, revoked_by="alice")
        assert await stores.audit.list_entries(AuditFilter()) == ()

    async def test_entries_are_found_by_object_and_actor_and_paged(self, stores: Stores) -> None:
        for number in range(5):
            actor, thing = ("alice", "bob")[number % 2], f"thing-{number // 2}"
            await stores.audit.record(
                Change(actor=actor, action="thing.moved", object=thing, details={"to": str(number)})
            )

        async def found(wanted: AuditFilter) -> list[str]:
            return [entry.change.details["to"] for entry in await stores.audit.list_entries(wanted)]

        assert await found(AuditFilter(object="thing-1")) == ["3", "2"]
        assert await found(AuditFilter(actor="bob")) == ["3", "1"]
        first = await stores.audit.list_entries(AuditFilter(limit=2))
        assert [entry.change.details["to"] for entry in first] == ["4", "3"]
        assert await found(AuditFilter(before=first[-1].id)) == ["2", "1", "0"]
