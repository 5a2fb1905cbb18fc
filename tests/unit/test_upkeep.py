"""Pruning keeps the budget and what is in use; uses and pending updates are remembered."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from wheelyard.adapters.images.prune import ImageUses
from wheelyard.adapters.images.reports import PendingFile
from wheelyard.domain.catalogue.packages import PackageChange
from wheelyard.domain.catalogue.status import PendingUpdates
from wheelyard.domain.catalogue.upkeep import GRACE, PruneRules, UsedImage, choose_unused

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
