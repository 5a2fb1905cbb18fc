"""What every store of the wheels on our index must keep, in memory or on PostgreSQL."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import pytest
from tests.contract.samples import BEGINNING, sample_order, sample_wheel

from wheelyard.domain.access import AuditFilter
from wheelyard.domain.builds.build import Status
from wheelyard.domain.builds.records import Outcome
from wheelyard.domain.index.check import Difference, Finding, IndexReport
from wheelyard.domain.index.index import Level, PublishedFile
from wheelyard.domain.index.sdists import BroughtSdist
from wheelyard.domain.index.wheels import IndexedWheel, IndexEntry, ProjectFilter, Standing, WheelFilter, WheelOrigin
from wheelyard.domain.packaging.wheel_contents import Member, WheelContents
from wheelyard.errors import IndexConflictError, NotFoundError
from wheelyard.interfaces import (
    AttemptStore,
    AuditStore,
    BuildStore,
    SdistStore,
    WheelStore,
)

METADATA = b"Metadata-Version: 2.4\nName: demo\nVersion: 1.0\nRequires-Python: >=3.9\n"
CONTENTS = WheelContents(
    members=(Member(path="demo/__init__.py", size_bytes=7), Member(path="demo/größe.py", size_bytes=0)),
    total=5000,
    size_bytes=1 << 40,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class WheelStores:
    """Empty stores on one state."""

    wheels: WheelStore
    sdists: SdistStore
    builds: BuildStore
    attempts: AttemptStore
    audit: AuditStore
    bring: Callable[[BroughtSdist], Awaitable[BroughtSdist]]
    """Record an sdist, and return the one that its release has."""
    forget_metadata: Callable[[str], Awaitable[None]]
    """Remove a wheel's stored METADATA."""

    async def publish(self, filename: str, sha256: str = "ab" * 32, *, level: Level = Level.PROD) -> str:
        """End a build that has published a wheel; return the build's id."""
        project, version = filename.split("-")[:2]
        order = replace(sample_order(key=f"{filename} {sha256} {level}", project=project), version=version)
        build_id = (await self.builds.submit(order, requested_by="tests")).build.id
        claim = await self.attempts.claim(build_id, worker="w", lease_seconds=20)
        assert claim is not None
        wheel = replace(sample_wheel(), filename=filename, sha256=sha256, level=level)
        published = PublishedFile(
            filename=filename,
            url=f"http://devpi/wheels/{level}/+f/{filename}",
            index_url="http://devpi/wheels/prod/+simple/",
            sha256=sha256,
            size_bytes=wheel.size_bytes,
            uploaded=True,
            level=level,
            metadata=METADATA,
            contents=CONTENTS,
        )
        outcome = Outcome(status=Status.SUCCEEDED, wheel=wheel, published=published)
        assert await self.attempts.finish(claim, outcome)
        return build_id

    async def mirror(self, filename: str, sha256: str = "cd" * 32) -> None:
        """Record a wheel of upstream's."""
        project, version = filename.split("-")[:2]
        wheel = IndexedWheel(
            filename=filename,
            project=project,
            version=version,
            origin=WheelOrigin.MIRRORED,
            build_id=None,
            python="3.13",
            platform="manylinux_2_36_x86_64",
            tag="py3-none-any",
            sha256=sha256,
            size_bytes=5,
            requires_python=None,
            metadata_sha256=None,
            level=Level.PROD,
            url=f"http://devpi/wheels/prod/+f/{filename}",
            uploaded_at=BEGINNING,
        )
        await self.wheels.record(IndexEntry(wheel=wheel, metadata=METADATA))

    async def names(self, wanted: WheelFilter | None = None) -> list[str]:
        page = await self.wheels.list_wheels(wanted or WheelFilter())
        return [wheel.filename for wheel in page.wheels]


def name(version: str, project: str = "demo") -> str:
    return f"{project}-{version}-1-py3-none-any.whl"


class ContentsContract:
    """What wheels contain, and reports about devpi."""

    async def test_contents_are_recorded_with_the_wheel(self, wheel_stores: WheelStores) -> None:
        await wheel_stores.publish(name("1.0"))
        assert (await wheel_stores.wheels.find(name("1.0"))).file_count == 5000
        assert await wheel_stores.wheels.contents_of(name("1.0")) == CONTENTS
        with pytest.raises(NotFoundError):
            await wheel_stores.wheels.contents_of(name("2.0"))

    async def test_contents_can_be_kept_later(self, wheel_stores: WheelStores) -> None:
        await wheel_stores.publish(name("1.0"))
        other = WheelContents(members=(), total=0, size_bytes=0)
        await wheel_stores.wheels.keep_contents(name("1.0"), other)
        assert await wheel_stores.wheels.contents_of(name("1.0")) == other
        with pytest.raises(NotFoundError):
            await wheel_stores.wheels.keep_contents(name("2.0"), other)

    async def test_only_the_newest_report_is_kept_and_not_all_of_it(self, wheel_stores: WheelStores) -> None:
        assert await wheel_stores.wheels.last_report() is None
        mended = Finding(difference=Difference.MISSING, filename="x", project="demo", detail="d", mended=True)
        open_one = Finding(difference=Difference.UNKNOWN, filename="y", project="demo", detail="<d>")
        await wheel_stores.wheels.save_report(IndexReport(wheels=1, files=1, findings=()))
        await wheel_stores.wheels.save_report(IndexReport(wheels=7, files=8, findings=(*[mended] * 400, open_one)))
        last = await wheel_stores.wheels.last_report()
        assert last is not None
        assert (last.wheels, last.files, last.found, len(last.findings)) == (7, 8, 1, 300)
        assert (last.findings[0], last.findings[1]) == (open_one, mended)
        assert last.checked_at is not None


class RecordContract:
    async def test_published_wheel_is_known_as_soon_as_its_build_has_succeeded(self, wheel_stores: WheelStores) -> None:
        build_id = await wheel_stores.publish(name("1.0"))
        wheel = await wheel_stores.wheels.find(name("1.0"))
        assert (wheel.project, wheel.version, wheel.build_id) == ("demo", "1.0", build_id)
        assert (wheel.sha256, wheel.size_bytes) == ("ab" * 32, sample_wheel().size_bytes)
        assert (wheel.requires_python, wheel.standing, wheel.level) == (">=3.9", Standing.OFFERED, Level.PROD)
        assert (wheel.python, wheel.platform) == ("3.13", "manylinux_2_36_x86_64")
        assert await wheel_stores.wheels.metadata_of(name("1.0")) == METADATA
        assert await wheel_stores.wheels.wheels_of("demo") == (wheel,)

    async def test_name_never_gets_other_bytes_and_the_build_does_not_end_so(self, wheel_stores: WheelStores) -> None:
        await wheel_stores.publish(name("1.0"))
        with pytest.raises(IndexConflictError):
            await wheel_stores.publish(name("1.0"), "cd" * 32)
        assert (await wheel_stores.wheels.find(name("1.0"))).sha256 == "ab" * 32
        await wheel_stores.wheels.delete(name("1.0"), by="alice")
        with pytest.raises(IndexConflictError):
            await wheel_stores.publish(name("1.0"), "ef" * 32)

    async def test_same_bytes_come_back_after_a_deletion(self, wheel_stores: WheelStores) -> None:
        await wheel_stores.publish(name("1.0"))
        await wheel_stores.wheels.delete(name("1.0"), by="alice")
        await wheel_stores.publish(name("1.0"), level=Level.STAGING)
        wheel = await wheel_stores.wheels.find(name("1.0"))
        assert (wheel.standing, wheel.level) == (Standing.OFFERED, Level.STAGING)

    async def test_staging_a_wheel_that_prod_has_does_not_take_it_from_there(self, wheel_stores: WheelStores) -> None:
        await wheel_stores.publish(name("1.0"))
        await wheel_stores.wheels.yank(name("1.0"), reason="broken", by="alice")
        await wheel_stores.publish(name("1.0"), level=Level.STAGING)
        wheel = await wheel_stores.wheels.find(name("1.0"))
        assert (wheel.level, wheel.standing) == (Level.PROD, Standing.YANKED)

    async def test_unknown_wheel_is_not_found(self, wheel_stores: WheelStores) -> None:
        stores = wheel_stores
        assert await stores.wheels.wheels_of("demo") == ()
        for look in (stores.wheels.find, stores.wheels.metadata_of):
            with pytest.raises(NotFoundError):
                await look(name("1.0"))
        for act in (stores.wheels.unyank, stores.wheels.delete):
            with pytest.raises(NotFoundError):
                await act(name("1.0"), by="alice")


class OriginContract:
    """The origins of wheels."""

    async def test_origin_is_kept_and_lists_can_be_narrowed_by_it(self, wheel_stores: WheelStores) -> None:
        build_id = await wheel_stores.publish(name("1.0"))
        await wheel_stores.mirror(name("2.0"))
        await wheel_stores.mirror(name("1.0", "other"))
        built, theirs = [await wheel_stores.wheels.find(name(version)) for version in ("1.0", "2.0")]
        assert (built.origin, built.build_id, built.is_own) == (WheelOrigin.BUILT, build_id, True)
        assert (theirs.origin, theirs.build_id, theirs.is_own) == (WheelOrigin.MIRRORED, None, False)
        assert await wheel_stores.names(WheelFilter(origin=WheelOrigin.BUILT)) == [name("1.0")]
        assert await wheel_stores.names(WheelFilter(origin=WheelOrigin.MIRRORED, project="demo")) == [name("2.0")]
        assert await wheel_stores.wheels.names(level=Level.PROD) == ("demo", "other")
        assert await wheel_stores.wheels.names(level=Level.PROD, own_only=True) == ("demo",)
        summaries = (await wheel_stores.wheels.list_projects(ProjectFilter())).projects
        assert [one.origins for one in summaries] == [
            (WheelOrigin.BUILT, WheelOrigin.MIRRORED),
            (WheelOrigin.MIRRORED,),
        ]

    async def test_wheel_that_was_built_stays_ours_though_upstream_has_its_bytes(
        self, wheel_stores: WheelStores
    ) -> None:
        build_id = await wheel_stores.publish(name("1.0"))
        await wheel_stores.mirror(name("1.0"), "ab" * 32)
        built = await wheel_stores.wheels.find(name("1.0"))
        assert (built.origin, built.build_id) == (WheelOrigin.BUILT, build_id)

    async def test_wheel_that_was_mirrored_becomes_ours_once_a_build_makes_it(self, wheel_stores: WheelStores) -> None:
        await wheel_stores.mirror(name("1.0"), "ab" * 32)
        build_id = await wheel_stores.publish(name("1.0"))
        built = await wheel_stores.wheels.find(name("1.0"))
        assert (built.origin, built.build_id) == (WheelOrigin.BUILT, build_id)


class EditContract:
    async def test_yank_keeps_its_time_and_changes_its_reason(self, wheel_stores: WheelStores) -> None:
        await wheel_stores.publish(name("1.0"))
        first = await wheel_stores.wheels.yank(name("1.0"), reason="broken", by="alice")
        second = await wheel_stores.wheels.yank(name("1.0"), reason="leaks memory", by="alice")
        assert first.yanked_at == second.yanked_at
        assert first.yanked_at is not None
        assert (second.yanked_reason, second.standing) == ("leaks memory", Standing.YANKED)
        free = await wheel_stores.wheels.unyank(name("1.0"), by="alice")
        assert (free.yanked_at, free.yanked_reason, free.standing) == (None, None, Standing.OFFERED)

    async def test_deleted_wheel_is_kept_in_mind_only(self, wheel_stores: WheelStores) -> None:
        build_id = await wheel_stores.publish(name("1.0"))
        deleted = await wheel_stores.wheels.delete(name("1.0"), by="alice")
        assert await wheel_stores.wheels.delete(name("1.0"), by="alice") == deleted
        assert deleted.standing is Standing.DELETED
        assert await wheel_stores.wheels.wheels_of("demo") == (deleted,)
        assert await wheel_stores.wheels.names(level=Level.STAGING) == ()
        build = await wheel_stores.builds.get(build_id)
        assert build.wheel is not None
        assert (build.wheel.url, build.wheel.index_url) == (None, None)
        with pytest.raises(NotFoundError):
            await wheel_stores.wheels.metadata_of(name("1.0"))
        with pytest.raises(NotFoundError):
            await wheel_stores.wheels.yank(name("1.0"), reason="too late", by="alice")

    async def test_promoted_wheel_is_on_prod_and_its_build_says_so(self, wheel_stores: WheelStores) -> None:
        build_id = await wheel_stores.publish(name("1.0"), level=Level.STAGING)
        assert await wheel_stores.wheels.names(level=Level.PROD) == ()
        assert await wheel_stores.wheels.names(level=Level.STAGING) == ("demo",)
        wheel = await wheel_stores.wheels.promote(name("1.0"), url="http://devpi/wheels/prod/+f/x", by="alice")
        assert (wheel.level, wheel.url) == (Level.PROD, "http://devpi/wheels/prod/+f/x")
        assert await wheel_stores.wheels.names(level=Level.PROD) == ("demo",)
        build = await wheel_stores.builds.get(build_id)
        assert build.wheel is not None
        assert build.wheel.level is Level.PROD

    async def test_metadata_that_was_not_kept_can_be_added(self, wheel_stores: WheelStores) -> None:
        await wheel_stores.publish(name("1.0"))
        await wheel_stores.forget_metadata(name("1.0"))
        assert (await wheel_stores.wheels.find(name("1.0"))).metadata_sha256 is None
        with pytest.raises(NotFoundError):
            await wheel_stores.wheels.metadata_of(name("1.0"))
        wheel = await wheel_stores.wheels.keep_metadata(name("1.0"), METADATA, by="alice")
        assert wheel.metadata_sha256 is not None
        assert await wheel_stores.wheels.metadata_of(name("1.0")) == METADATA

    async def test_every_change_is_told_once(self, wheel_stores: WheelStores) -> None:
        serial = (await wheel_stores.wheels.changes(0)).serial
        await wheel_stores.publish(name("1.0"))
        await wheel_stores.publish(name("1.0", "other"))
        found = await wheel_stores.wheels.changes(serial)
        assert found.projects == {"demo", "other"}
        assert (await wheel_stores.wheels.changes(found.serial)).projects == set()
        changes: list[Callable[[], Awaitable[IndexedWheel]]] = [
            lambda: wheel_stores.wheels.yank(name("1.0"), reason="broken", by="alice"),
            lambda: wheel_stores.wheels.unyank(name("1.0"), by="alice"),
            lambda: wheel_stores.wheels.keep_metadata(name("1.0"), METADATA, by="alice"),
            lambda: wheel_stores.wheels.promote(name("1.0"), url="http://devpi/x/y/+f/z", by="alice"),
            lambda: wheel_stores.wheels.delete(name("1.0"), by="alice"),
        ]
        for change in changes:
            await change()
            former, found = found, await wheel_stores.wheels.changes(found.serial)
            assert found.projects == {"demo"}
            assert found.serial > former.serial

    async def test_every_change_is_in_the_audit_log_with_who_made_it(self, wheel_stores: WheelStores) -> None:
        await wheel_stores.publish(name("1.0"), level=Level.STAGING)
        edits, filename = wheel_stores.wheels, name("1.0")
        await edits.yank(filename, reason="broken", by="alice")
        await edits.unyank(filename, by="bob")
        await edits.promote(filename, url="http://devpi/x/y/+f/z", by="carol")
        await edits.keep_metadata(filename, METADATA, by="dave")
        await edits.delete(filename, by="erin")
        with pytest.raises(NotFoundError):
            await edits.yank(filename, reason="too late", by="mallory")
        entries = await wheel_stores.audit.list_entries(AuditFilter(object=filename))
        changes = [entry.change for entry in reversed(entries)]
        assert [(change.actor, change.action, dict(change.details)) for change in changes] == [
            ("alice", "wheel.yanked", {"reason": "broken"}),
            ("bob", "wheel.unyanked", {}),
            ("carol", "wheel.promoted", {}),
            ("dave", "wheel.mended", {"difference": "no-metadata"}),
            ("erin", "wheel.deleted", {}),
        ]


class WheelListContract:
    async def test_wheels_are_listed_newest_first_a_page_at_a_time(self, wheel_stores: WheelStores) -> None:
        for version in ("1.0", "2.0", "3.0"):
            await wheel_stores.publish(name(version))
        first = await wheel_stores.wheels.list_wheels(WheelFilter(limit=2))
        assert [wheel.version for wheel in first.wheels] == ["3.0", "2.0"]
        assert first.next_before == name("2.0")
        second = await wheel_stores.wheels.list_wheels(WheelFilter(limit=2, before=first.next_before))
        assert ([wheel.version for wheel in second.wheels], second.next_before) == (["1.0"], None)
        assert await wheel_stores.names(WheelFilter(before="nowhere-1-py3-none-any.whl")) == []

    async def test_lists_show_what_fits(self, wheel_stores: WheelStores) -> None:
        await wheel_stores.publish(name("1.0"))
        await wheel_stores.publish(name("2.0"))
        await wheel_stores.publish(name("3.0"), level=Level.STAGING)
        await wheel_stores.publish(name("1.0", "other"))
        await wheel_stores.wheels.yank(name("1.0"), reason="broken", by="alice")
        await wheel_stores.wheels.delete(name("2.0"), by="alice")
        assert await wheel_stores.names(WheelFilter(standing=Standing.YANKED)) == [name("1.0")]
        assert await wheel_stores.names(WheelFilter(standing=Standing.DELETED)) == [name("2.0")]
        assert await wheel_stores.names(WheelFilter(level=Level.STAGING)) == [name("3.0")]
        assert await wheel_stores.names(WheelFilter(project="other")) == [name("1.0", "other")]
        offered = await wheel_stores.names(WheelFilter(project="demo", standing=Standing.OFFERED))
        assert offered == [name("3.0")]

    async def test_projects_are_listed_by_name_with_what_they_have(self, wheel_stores: WheelStores) -> None:
        for wheel in (name("1.0", "b"), name("1.0", "a"), name("2.0", "a"), name("1.0", "ab"), name("1.0", "c")):
            await wheel_stores.publish(wheel)
        await wheel_stores.wheels.delete(name("1.0", "c"), by="alice")
        first = await wheel_stores.wheels.list_projects(ProjectFilter(limit=2))
        assert [(one.name, one.releases, one.wheels) for one in first.projects] == [("a", 2, 2), ("ab", 1, 1)]
        assert first.next_after == "ab"
        second = await wheel_stores.wheels.list_projects(ProjectFilter(limit=2, after=first.next_after))
        assert ([one.name for one in second.projects], second.next_after) == (["b"], None)
        found = await wheel_stores.wheels.list_projects(ProjectFilter(prefix="ab"))
        assert [one.name for one in found.projects] == ["ab"]

    async def test_wheels_of_some_releases_are_read_at_once(self, wheel_stores: WheelStores) -> None:
        for wheel in (name("1.0", "a"), name("2.0", "a"), name("1.0", "b"), name("2.0", "b"), name("1.0", "c")):
            await wheel_stores.publish(wheel)
        await wheel_stores.wheels.delete(name("2.0", "b"), by="alice")
        versions = await wheel_stores.wheels.versions_of(["a", "b", "nothing"])
        assert versions == {("a", "1.0"), ("a", "2.0"), ("b", "1.0")}
        found = await wheel_stores.wheels.wheels_of_releases([("a", "2.0"), ("b", "1.0"), ("b", "2.0"), ("c", "3.0")])
        assert [wheel.filename for wheel in found] == [name("2.0", "a"), name("1.0", "b")]


class WheelContract(ContentsContract, RecordContract, OriginContract, EditContract, WheelListContract):
    """All of it."""
