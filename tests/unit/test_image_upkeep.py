"""A refresh changes nothing until the new images are complete; a schedule refreshes once an interval."""

import json
from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from wheelyard.adapters.engine_command import EngineCommand
from wheelyard.adapters.image_options import ImageOptions
from wheelyard.adapters.image_records import ImageName
from wheelyard.adapters.image_refreshes import ImageRefreshes
from wheelyard.adapters.image_upkeep import ImageUpkeep
from wheelyard.adapters.images import ImageBuilder
from wheelyard.adapters.process import Completed, LineCallback
from wheelyard.domain.catalogue import parse_catalogue
from wheelyard.domain.packages import PackageChange
from wheelyard.errors import EngineCommandError, ImageBuildFailedError, MirrorUnreachableError

BUILDERS = Path(__file__).parents[2] / "builders"
CATALOGUE = parse_catalogue((BUILDERS / "builders.toml").read_text())
NOW = datetime(2026, 11, 24, tzinfo=UTC)
SUITE, PYTHON = "bookworm", "3.13"
UPGRADE = "Inst libssl3 [1] (2 Debian-Security:12/oldstable-security [amd64])\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class FakeEngine(EngineCommand):
    """Images are tags with an id and labels; containers say what was planted."""

    images: dict[str, dict[str, object]] = field(default_factory=dict)
    says: dict[str, str] = field(default_factory=dict)
    """What a container prints, by image id and the program that it runs."""
    unreachable: list[str] = field(default_factory=list)

    def add(self, tag: str, image_id: str, **labels: str) -> None:
        ours = {f"org.wheelyard.{name}": value for name, value in {"project": "wheelyard", **labels}.items()}
        self.images[tag] = {"Id": image_id, "Size": 7, "Created": NOW.isoformat(), "Config": {"Labels": ours}}

    async def run(
        self,
        args: Sequence[str],
        *,
        stdin: AsyncIterable[bytes] | None = None,
        on_line: LineCallback | None = None,
        check: bool = True,
    ) -> Completed:
        del stdin, on_line
        match list(args):
            case ["image", "inspect", *wanted]:
                found = [
                    {**image, "RepoTags": [tag]}
                    for tag, image in self.images.items()
                    if tag in wanted or image["Id"] in wanted
                ]
                return _done(json.dumps(found), returncode=0 if found else 1)
            case ["images", *_]:
                return _done("\n".join(str(image["Id"]) for image in self.images.values()))
            case ["tag", old, new]:
                self.images[new] = self.images[old]
            case ["image", "rm", tag]:
                gone = [name for name, image in self.images.items() if tag in {name, image["Id"]}]
                for name in gone:
                    del self.images[name]
            case ["run", *_, image, "sh", "-euc", script]:
                if "apt-get" in script and self.unreachable:
                    raise EngineCommandError(command=["run"], output=self.unreachable[0])
                return _done(self.says.get(f"{image} {script.split()[0]}", ""))
            case other:
                assert not check, other
        return _done("")


def _done(text: str, *, returncode: int = 0) -> Completed:
    return Completed(returncode=returncode, stdout=text.encode(), stderr=b"")


class FakeImages(ImageBuilder):
    """Makes an image by naming it."""

    fails = False

    async def ensure_builder(self, suite: str, on_progress: LineCallback, *, python: str | None = None) -> str:  # noqa: ARG002
        plan = await self.plan(suite)
        return self._make(plan.builder_name(python or PYTHON), plan.base().name)

    async def ensure_runtime(self, suite: str, python: str, on_progress: LineCallback) -> str:  # noqa: ARG002
        if self.fails:
            raise ImageBuildFailedError(image="the runtime", excerpt="it broke")
        plan = await self.plan(suite)
        return self._make(plan.runtime_name(python), plan.base().name)

    def _make(self, name: ImageName, base: ImageName) -> str:
        engine = self._engine
        assert isinstance(engine, FakeEngine)
        engine.add(base.tag, "new-base")
        engine.add(name.tag, f"new-{name.name}", definition=name.definition)
        return f"new-{name.name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Stand:
    engine: FakeEngine
    images: FakeImages
    upkeep: ImageUpkeep
    names: dict[str, ImageName]


@pytest.fixture
async def stand(tmp_path: Path) -> Stand:
    engine, options = FakeEngine(), ImageOptions(lock_dir=tmp_path, architecture="x86_64")
    images = FakeImages(engine=engine, catalogue=CATALOGUE, builders_dir=BUILDERS, cache_dir=tmp_path, options=options)
    plan = await images.plan(SUITE)
    names = {"base": plan.base().name, "builder": plan.builder_name(PYTHON), "runtime": plan.runtime_name(PYTHON)}
    for role, name in names.items():
        engine.add(name.tag, f"old-{role}", definition=name.definition, suite=SUITE, role=role)
    upkeep = ImageUpkeep(
        engine=engine, images=images, options=options, folder=tmp_path, budget_bytes=0, clock=lambda: NOW
    )
    return Stand(engine=engine, images=images, upkeep=upkeep, names=names)


def ids(stand: Stand) -> dict[str, object]:
    return {tag: image["Id"] for tag, image in stand.engine.images.items()}


def plant_upgrade(stand: Stand) -> None:
    stand.engine.says["old-runtime apt-get"] = UPGRADE
    stand.engine.says["old-runtime dpkg-query"] = "libssl3\t1\tamd64\n"
    stand.engine.says["new-runtime-bookworm-3.13 dpkg-query"] = "libssl3\t2\tamd64\n"


async def test_images_without_pending_updates_are_left_alone(stand: Stand) -> None:
    before = ids(stand)
    reports = await stand.upkeep.refresh(SUITE, print)
    assert [(report.refreshed, report.pending) for report in reports] == [(False, ()), (False, ())]
    assert ids(stand) == before


async def test_new_images_take_over_the_names_and_the_report_says_what_changed(stand: Stand) -> None:
    plant_upgrade(stand)
    builder, runtime = await stand.upkeep.refresh(SUITE, print)
    assert (builder.refreshed, runtime.refreshed) == (True, True)
    assert runtime.pending == (PackageChange(package="libssl3", from_version="1", to_version="2", is_security=True),)
    assert runtime.changes == (PackageChange(package="libssl3", from_version="1", to_version="2"),)
    assert ids(stand) == {
        stand.names["base"].tag: "new-base",
        stand.names["builder"].tag: "new-builder-bookworm-3.13",
        stand.names["runtime"].tag: "new-runtime-bookworm-3.13",
    }


async def test_failed_refresh_leaves_the_old_images_in_use_and_nothing_else(stand: Stand) -> None:
    plant_upgrade(stand)
    before = ids(stand)
    stand.images.fails = True
    with pytest.raises(ImageBuildFailedError):
        await stand.upkeep.refresh(SUITE, print)
    assert ids(stand) == before


async def test_silent_mirror_is_named_and_the_old_images_stay_in_use(stand: Stand) -> None:
    before = ids(stand)
    stand.engine.unreachable.append("E: Failed to fetch\n  Could not connect to mirror.test:80")
    with pytest.raises(MirrorUnreachableError, match=r"mirror\.test"):
        await stand.upkeep.refresh(SUITE, print)
    assert ids(stand) == before


async def test_check_changes_nothing(stand: Stand) -> None:
    plant_upgrade(stand)
    before = ids(stand)
    reports = await stand.upkeep.check(SUITE, print)
    assert [len(report.pending) for report in reports] == [0, 1]
    assert ids(stand) == before


async def test_first_use_of_an_environment_pushes_unused_ones_out(stand: Stand) -> None:
    for number in (1, 2):
        stand.engine.add(
            f"wheelyard/environment:{number}", f"sha256:{number}", role="environment", builder="old-builder"
        )
        stand.engine.images[f"wheelyard/environment:{number}"] |= {
            "Size": 9,
            "Created": "2026-11-01T00:00:00.123456789Z",
        }
    await stand.upkeep.note_use("sha256:2")
    assert "wheelyard/environment:1" not in stand.engine.images
    assert "wheelyard/environment:2" in stand.engine.images
    assert stand.names["builder"].tag in stand.engine.images


async def test_schedule_refreshes_once_an_interval_and_a_failure_is_no_end(stand: Stand, tmp_path: Path) -> None:
    plant_upgrade(stand)
    now = [0.0]
    refreshes = ImageRefreshes(stand.upkeep, suites=[SUITE], folder=tmp_path / "images", clock=lambda: now[0])
    assert not await refreshes.run_if_due(3600)
    now[0] = 3600
    stand.images.fails = True
    assert await refreshes.run_if_due(3600)
    assert not await refreshes.run_if_due(3600)
    stand.images.fails = False
    now[0] = 7200
    assert await refreshes.run_if_due(3600)
    assert ids(stand)[stand.names["runtime"].tag] == "new-runtime-bookworm-3.13"
