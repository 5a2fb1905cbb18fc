"""Which images go, are made anew and stand in for others; uses and pending updates are remembered."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from wheelyard.adapters.images.prune import ImageUses
from wheelyard.adapters.images.reports import PendingFile
from wheelyard.domain.catalogue.images import ImageName, ImageRecord
from wheelyard.domain.catalogue.packages import PackageChange
from wheelyard.domain.catalogue.status import PendingUpdates
from wheelyard.domain.catalogue.upkeep import (
    GRACE,
    OUTDATED,
    PAUSE,
    WARM,
    Fallback,
    HostImages,
    PruneRules,
    UsedImage,
    choose_fallback,
    choose_unused,
    find_extensions,
    find_outdated,
    find_removable,
    find_warm,
)

NOW = datetime(2026, 11, 24, tzinfo=UTC)
CHANGE = PackageChange(package="libssl3", from_version="1", to_version="2", is_security=True)


def used(
    name: str, *, hours_ago: float, size: int = 10, built_on: str = "builder", superseded: bool = False
) -> UsedImage:
    last_used = NOW - timedelta(hours=hours_ago)
    return UsedImage(id=name, name=name, size_bytes=size, last_used=last_used, built_on=built_on, superseded=superseded)


def chosen(images: list[UsedImage], budget: int) -> list[str]:
    rules = PruneRules(budget_bytes=budget, longest_build=timedelta(hours=3))
    return [image.name for image in choose_unused(images, rules=rules, now=NOW)]


def test_what_was_used_longest_ago_goes_first_until_the_rest_fits() -> None:
    images = [used("today", hours_ago=1), used("last-month", hours_ago=700), used("yesterday", hours_ago=24)]
    assert chosen(images, 30) == []
    assert chosen(images, 29) == ["last-month"]
    assert chosen(images, 10) == ["last-month", "yesterday"]
    assert chosen(images, 0) == ["last-month", "yesterday", "today"]


def test_image_that_a_build_may_be_about_to_use_stays() -> None:
    fresh = used("fresh", hours_ago=(GRACE / 2).total_seconds() / 3600)
    assert chosen([fresh, used("old", hours_ago=5)], 0) == ["old"]


def test_toolchain_is_used_by_whoever_uses_an_environment_with_it_and_goes_after_that() -> None:
    rust = used("rust", hours_ago=900)
    on_rust = used("on-rust", hours_ago=2, built_on="rust")
    other = used("other", hours_ago=24)
    assert chosen([rust, on_rust, other], 20) == ["other"]
    assert chosen([rust, on_rust, other], 10) == ["other", "on-rust"]
    assert chosen([rust, on_rust, other], 0) == ["other", "on-rust", "rust"]


def test_superseded_image_goes_with_all_that_is_made_from_it_once_no_build_can_need_it() -> None:
    builder = used("builder", hours_ago=4, built_on="", superseded=True)
    rust = used("rust", hours_ago=30)
    assert chosen([builder, rust, used("on-rust", hours_ago=20, built_on="rust")], 99) == ["on-rust", "rust", "builder"]
    assert chosen([builder, rust, used("on-rust", hours_ago=2, built_on="rust")], 0) == []
    assert chosen([used("builder", hours_ago=2, built_on="", superseded=True)], 0) == []


def test_superseded_images_leave_the_budget_to_the_others() -> None:
    superseded = used("old", hours_ago=1, size=1000, built_on="", superseded=True)
    assert chosen([superseded, used("on-old", hours_ago=9, built_on="old"), used("new", hours_ago=9)], 10) == []


def image(
    name: str,
    definition: str = "1" * 12,
    *,
    role: str = "builder",
    built_on: str = "",
    tags: tuple[str, ...] | None = None,
) -> ImageRecord:
    """Describe an image whose id is the name and the first digit of the definition."""
    return ImageRecord(
        id=f"{name}-{definition[0]}",
        tags=(f"wheelyard/{name}:{definition}",) if tags is None else tags,
        role=role,
        definition=definition,
        labels={"builder": built_on, "suite": "bookworm"},
        size_bytes=9,
        created=(NOW - timedelta(days=30)).isoformat(),
    )


OLDER, NEWER = image("builder", "1" * 12), image("builder", "2" * 12)
CURRENT = {"wheelyard/builder": "2" * 12}


def host(
    *named: ImageRecord,
    superseded: tuple[ImageRecord, ...] = (),
    stages: tuple[ImageRecord, ...] = (),
    last_uses: dict[str, datetime] | None = None,
) -> HostImages:
    return HostImages(
        named=named,
        stages=stages,
        superseded=[(one, NOW) for one in superseded],
        below={one.id: one for one in named},
        last_uses=last_uses or {},
        current=CURRENT,
    )


def removable(images: HostImages) -> dict[str, UsedImage]:
    return {one.id: one for one in find_removable(images, now=NOW)}


def test_image_of_an_older_definition_is_outdated_once_its_successor_is_there() -> None:
    assert list(find_outdated([OLDER, NEWER], CURRENT)) == [OLDER]
    assert list(find_outdated([OLDER], CURRENT)) == [], "it may have to stand in"
    unfinished = image("builder", "2" * 12, tags=(f"wheelyard/builder:{'2' * 12}-20261120T000000",))
    assert list(find_outdated([OLDER, unfinished], CURRENT)) == []


def test_images_that_the_catalogue_does_not_define_are_never_outdated() -> None:
    elsewhere = image("builder-of-another-service")
    environment = image("builder", "3" * 12, role="environment")
    assert list(find_outdated([NEWER, elsewhere, environment], CURRENT)) == []


def test_outdated_image_may_go_a_week_after_its_last_use() -> None:
    used_lately = {OLDER.id: NOW - OUTDATED + timedelta(hours=1)}
    assert removable(host(OLDER, NEWER, last_uses=used_lately)) == {}
    assert set(removable(host(OLDER, NEWER, last_uses={OLDER.id: NOW - OUTDATED}))) == {OLDER.id}
    assert set(removable(host(OLDER, NEWER))) == {OLDER.id}, "nobody used it since it was made"


def test_extension_takes_what_it_adds_to_its_builder() -> None:
    environment = image("environment", "3" * 12, role="environment", built_on=NEWER.id)
    environment = replace(environment, size_bytes=12)
    found = removable(host(NEWER, environment, last_uses={environment.id: NOW}))
    assert found == {
        environment.id: UsedImage(
            id=environment.id, name=environment.name, size_bytes=3, last_used=NOW, built_on=NEWER.id
        )
    }


def test_what_was_never_finished_may_go_and_so_may_stages() -> None:
    draft = image("builder", "4" * 12, role="draft", tags=(f"wheelyard/builder:{'4' * 12}-draft",))
    stage = image("stage", "5" * 12, role="python", tags=())
    found = removable(host(NEWER, draft, stages=(stage,)))
    assert {one.name for one in found.values()} == {draft.tags[0], "stage of an image of bookworm"}
    assert all(one.superseded for one in found.values())


def test_superseded_image_may_go_unless_it_has_a_name_again() -> None:
    for tags, goes in (((), True), ((f"wheelyard/environment:{'6' * 12}-from",), True), (("mine:1",), False)):
        superseded = image("runtime", "6" * 12, role="runtime", tags=tags)
        assert bool(removable(host(superseded=(superseded,)))) is goes


def test_extensions_are_listed_after_what_they_are_made_from() -> None:
    rust = image("rust", role="toolchain", built_on="builder-2")
    on_rust = image("on-rust", role="environment", built_on=rust.id)
    other = image("other", role="environment", built_on="builder-9")
    draft = image("draft", role="environment", built_on=rust.id, tags=("wheelyard/draft:x",))
    assert find_extensions([on_rust, other, draft, rust, NEWER], [NEWER.id]) == (rust, on_rust)
    assert find_warm((rust, on_rust), {on_rust.id: NOW - WARM}, now=NOW) == frozenset()
    lately = {on_rust.id: NOW - WARM + timedelta(hours=1)}
    assert find_warm((rust, on_rust), lately, now=NOW) == {on_rust.id, rust.id, NEWER.id}
    assert find_warm((rust, on_rust), {rust.id: NOW}, now=NOW) == {rust.id, NEWER.id}


def test_newest_image_of_the_same_name_stands_in_while_the_wanted_one_is_not_there() -> None:
    wanted = ImageName(name="builder", definition="7" * 12)
    newest = replace(image("builder", "3" * 12), created=NOW.isoformat())
    half = image("builder", "8" * 12, tags=(f"wheelyard/builder:{'8' * 12}-20261124T000000",))
    others = [OLDER, newest, half, image("runtime", "4" * 12)]
    assert choose_fallback(others, wanted) == newest
    assert choose_fallback([half], wanted) is None
    assert choose_fallback([*others, image("builder", "7" * 12)], wanted) is None


def test_nobody_tries_again_at_once_to_make_an_image_that_has_a_fallback() -> None:
    fallback = Fallback(definition="7" * 12, image=OLDER.id, reason="the mirror is away", since=NOW)
    assert fallback.is_fresh(NOW + PAUSE - timedelta(seconds=1))
    assert not fallback.is_fresh(NOW + PAUSE)


def test_use_is_remembered_by_image(tmp_path: Path) -> None:
    uses = ImageUses(tmp_path / "uses")
    assert uses.last("sha256:a") is None
    assert uses.note("sha256:a", now=NOW)
    assert not uses.note("sha256:a", now=NOW + timedelta(hours=1))
    assert uses.last("sha256:a") == NOW + timedelta(hours=1)
    assert uses.read() == (("sha256:a", NOW + timedelta(hours=1)),)
    uses.forget("sha256:a")
    assert uses.last("sha256:a") is None


def test_pending_updates_are_remembered_by_suite(tmp_path: Path) -> None:
    file = PendingFile(tmp_path / "images" / "pending.json")
    assert file.read() == {}
    file.write("bookworm", [CHANGE], now=NOW)
    file.write("trixie", [], now=NOW)
    assert file.read() == {
        "bookworm": PendingUpdates(checked=NOW, changes=(CHANGE,)),
        "trixie": PendingUpdates(checked=NOW, changes=()),
    }


def test_broken_file_of_pending_updates_counts_as_none(tmp_path: Path) -> None:
    path = tmp_path / "pending.json"
    for text in ("{", "[]", '{"bookworm": 1}', '{"bookworm": {"checked": "never", "changes": []}}'):
        path.write_text(text)
        assert PendingFile(path).read() == {}
