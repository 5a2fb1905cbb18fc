"""A refresh changes nothing until the new images are complete; a schedule refreshes once an interval."""

import functools
import json
from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from wheelyard.adapters.engine.command import EngineCommand
from wheelyard.adapters.host.process import Completed, LineCallback
from wheelyard.adapters.images.build import ImageOptions
from wheelyard.adapters.images.builder import ImageBuilder
from wheelyard.adapters.images.inventory import ImageInventory
from wheelyard.adapters.images.plans import Parts, PythonImage, environment_build
from wheelyard.adapters.images.prune import ImagePruning
from wheelyard.adapters.images.refresh import ImageRefreshes, ImageUpkeep
from wheelyard.adapters.images.reports import PendingFile
from wheelyard.domain.catalogue.catalogue import parse_catalogue
from wheelyard.domain.catalogue.definition import environment_definition
from wheelyard.domain.catalogue.images import ImageName, ImageRecord
from wheelyard.domain.catalogue.packages import PackageChange
from wheelyard.domain.catalogue.upkeep import OUTDATED, PruneRules, RefreshReport
from wheelyard.errors import EngineCommandError, ImageBuildFailedError, MirrorUnreachableError

BUILDERS = Path(__file__).parents[3] / "builders"
CATALOGUE = parse_catalogue((BUILDERS / "builders.toml").read_text())
NOW = datetime(2026, 11, 24, tzinfo=UTC)
SUITE, PYTHON = "bookworm", "3.13"
ROLES = ("builder", "runtime")
UPGRADE = "Inst libssl3 [1] (2 Debian-Security:12/oldstable-security [amd64])\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class FakeEngine(EngineCommand):
    """Images are tags with an id and labels; containers say what was planted."""

    images: dict[str, dict[str, object]] = field(default_factory=dict)
    says: dict[str, str] = field(default_factory=dict)
    """What a container prints, by image id and the program that it runs."""
    unreachable: list[str] = field(default_factory=list)
    nameless: dict[object, dict[str, object]] = field(default_factory=dict)
    """Images whose name another one has taken, by id."""
    in_use: set[object] = field(default_factory=set)
    """Ids of images that a container uses."""

    def add(self, tag: str, image_id: str, **labels: str) -> None:
        ours = {f"org.wheelyard.{name}": value for name, value in {"project": "wheelyard", **labels}.items()}
        self.images[tag] = {"Id": image_id, "Size": 7, "Created": NOW.isoformat(), "Config": {"Labels": ours}}

    async def run(  # noqa: C901, PLR0911  (one case for each command)
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
                found += [{**image, "RepoTags": []} for image_id, image in self.nameless.items() if image_id in wanted]
                return _done(json.dumps(found), returncode=0 if found else 1)
            case ["history", *_, image] | ["run", *_, image, _, "-I", "-"]:
                return _done(self.says[f"{image} {args[0]}"])
            case ["info", *_]:
                return _done("an-engine")
            case ["images", *options] if "dangling=true" in options:
                return _done("\n".join(map(str, self.nameless)))
            case ["images", *_]:
                return _done("\n".join(str(image["Id"]) for image in self.images.values()))
            case ["tag", old, new]:
                self.nameless.update({image["Id"]: image for tag, image in self.images.items() if tag == new})
                self.images[new] = self.images[old]
            case ["image", "rm", tag] if tag in self.in_use:
                raise EngineCommandError(command=["image", "rm"], output="a container is using it")
            case ["image", "rm", tag]:
                self.nameless.pop(tag, None)
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

    async def ensure_builder(self, suite: str, *, python: str | None = None) -> str:
        plan = await self.plan(suite)
        return self._make(plan.builder_name(python or PYTHON), plan.base().name)

    async def ensure_runtime(self, suite: str, python: str) -> str:
        if self.fails:
            raise ImageBuildFailedError(image="the runtime", excerpt="it broke")
        plan = await self.plan(suite)
        return self._make(plan.runtime_name(python), plan.base().name)

    async def ensure_environment(self, base_image: str, apt_packages: Sequence[str]) -> str:
        if "libgone" in apt_packages:
            raise ImageBuildFailedError(image="the environment", excerpt="Unable to locate package libgone")
        name, build = environment_build(await self._expect(base_image), tuple(sorted(apt_packages)))
        name, build = self._revise(name, build)
        engine = self.run.engine
        assert isinstance(engine, FakeEngine)
        engine.add(name.tag, f"new-environment-on-{base_image}", **{**build.labels, "suite": SUITE})
        return f"new-environment-on-{base_image}"

    def _make(self, name: ImageName, base: ImageName) -> str:
        engine = self.run.engine
        assert isinstance(engine, FakeEngine)
        engine.add(base.tag, "new-base")
        engine.add(name.tag, f"new-{name.name}", definition=name.definition)
        return f"new-{name.name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Harness:
    engine: FakeEngine
    images: FakeImages
    upkeep: ImageUpkeep
    pruning: ImagePruning
    now: list[datetime]
    names: dict[str, ImageName]


@pytest.fixture
async def harness(tmp_path: Path) -> Harness:
    engine, options = FakeEngine(), ImageOptions(lock_dir=tmp_path, architecture="x86_64")
    images = FakeImages(engine=engine, catalogue=CATALOGUE, builders_dir=BUILDERS, cache_dir=tmp_path, options=options)
    plan = await images.plan(SUITE)
    names = {"base": plan.base().name, "builder": plan.builder_name(PYTHON), "runtime": plan.runtime_name(PYTHON)}
    for role, name in names.items():
        engine.add(name.tag, f"sha256:old-{role}", definition=name.definition, suite=SUITE, role=role)
    now, folder = [NOW], tmp_path / "images"
    rules = PruneRules(budget_bytes=0, longest_build=timedelta(hours=3))
    current = functools.partial(images.definitions_of, [SUITE])
    pruning = ImagePruning(engine=engine, folder=folder, rules=rules, current=current, clock=lambda: now[0])
    upkeep = ImageUpkeep(images=images, folder=folder, pruning=pruning, clock=lambda: now[0])
    return Harness(engine=engine, images=images, upkeep=upkeep, pruning=pruning, now=now, names=names)


def ids(harness: Harness) -> dict[str, object]:
    return {tag: image["Id"] for tag, image in harness.engine.images.items()}


def plant_upgrade(harness: Harness) -> None:
    harness.engine.says["sha256:old-runtime apt-get"] = UPGRADE
    harness.engine.says["sha256:old-runtime dpkg-query"] = "libssl3\t1\tamd64\n"
    harness.engine.says["new-runtime-bookworm-3.13 dpkg-query"] = "libssl3\t2\tamd64\n"


async def test_images_without_pending_updates_are_left_alone(harness: Harness) -> None:
    before = ids(harness)
    reports = await harness.upkeep.refresh(SUITE)
    assert [(report.refreshed, report.pending) for report in reports] == [(False, ()), (False, ())]
    assert ids(harness) == before


async def test_new_images_take_over_the_names_and_the_report_says_what_changed(harness: Harness) -> None:
    plant_upgrade(harness)
    builder, runtime = await harness.upkeep.refresh(SUITE)
    assert (builder.refreshed, runtime.refreshed) == (True, True)
    assert runtime.pending == (PackageChange(package="libssl3", from_version="1", to_version="2", is_security=True),)
    assert runtime.changes == runtime.pending
    assert ids(harness) == {
        harness.names["base"].tag: "new-base",
        harness.names["builder"].tag: "new-builder-bookworm-3.13",
        harness.names["runtime"].tag: "new-runtime-bookworm-3.13",
    }


def plant_environment(harness: Harness, *packages: str, lacks: bool = False) -> str:
    """Give the old builder an environment; returns its name."""
    definition = environment_definition(builder="sha256:old-builder", packages=packages)
    tag, image_id = f"wheelyard/environment:{definition[:12]}", f"sha256:old-with-{'-'.join(packages)}"
    labels = {"role": "environment", "builder": "sha256:old-builder", "apt": ",".join(packages), "suite": SUITE}
    harness.engine.add(tag, image_id, definition=definition, **labels)
    if lacks:
        harness.engine.says[f"{image_id} apt-get"] = UPGRADE.replace("libssl3", "libpq5")
        harness.engine.says[f"{image_id} dpkg-query"] = "libpq5\t1\tamd64\n"
        harness.engine.says["new-environment-on-sha256:old-builder dpkg-query"] = "libpq5\t2\tamd64\n"
    return tag


async def test_environment_that_lacks_updates_is_made_anew_and_its_builder_is_not(
    harness: Harness, tmp_path: Path
) -> None:
    before, tag = ids(harness), plant_environment(harness, "libpq-dev", lacks=True)
    *others, environment = await harness.upkeep.check(SUITE)
    assert [len(one.pending) for one in (*others, environment)] == [0, 0, 1]
    assert [change.package for change in PendingFile(tmp_path / "images/pending.json").read()[SUITE].changes] == [
        "libpq5"
    ]
    *others, environment = await harness.upkeep.refresh(SUITE)
    assert [one.refreshed for one in (*others, environment)] == [False, False, True]
    assert [(one.package, one.to_version) for one in environment.changes] == [("libpq5", "2")]
    assert ids(harness) == {**before, tag: "new-environment-on-sha256:old-builder"}
    harness.now[0] += timedelta(hours=3)
    assert [image.id for image in await harness.pruning.prune()] == ["sha256:old-with-libpq-dev"]


async def test_environment_of_late_gets_a_successor_with_its_builder_and_another_one_does_not(harness: Harness) -> None:
    plant_upgrade(harness)
    await harness.pruning.note_use("sha256:old-with-libcold-dev")
    harness.now[0] += timedelta(days=8)
    for package in ("libwarm-dev", "libcold-dev"):
        plant_environment(harness, package)
    await harness.pruning.note_use("sha256:old-with-libwarm-dev")
    reports = await harness.upkeep.refresh(SUITE)
    assert [report.refreshed for report in reports] == [True, True, True, False]
    builder = "new-builder-bookworm-3.13"
    definition = environment_definition(builder=builder, packages=("libwarm-dev",))
    assert ids(harness)[f"wheelyard/environment:{definition[:12]}"] == f"new-environment-on-{builder}"
    other = environment_definition(builder=builder, packages=("libcold-dev",))
    assert f"wheelyard/environment:{other[:12]}" not in ids(harness)


async def test_environment_whose_package_is_gone_keeps_no_other_image_from_its_updates(harness: Harness) -> None:
    plant_upgrade(harness)
    tag = plant_environment(harness, "libgone", lacks=True)
    builder, _, environment = await harness.upkeep.refresh(SUITE)
    assert (builder.refreshed, environment.refreshed) == (True, False)
    assert "libgone" in environment.problem
    assert ids(harness)[tag] == "sha256:old-with-libgone"


async def test_what_new_images_still_lack_is_looked_for(harness: Harness, tmp_path: Path) -> None:
    plant_upgrade(harness)
    harness.engine.says["new-runtime-bookworm-3.13 apt-get"] = UPGRADE.replace("(2 ", "(3 ")
    await harness.upkeep.refresh(SUITE)
    (left,) = PendingFile(tmp_path / "images/pending.json").read()[SUITE].changes
    assert left.to_version == "3"


async def test_mirror_that_falls_silent_after_a_refresh_does_not_undo_it(harness: Harness) -> None:
    plant_upgrade(harness)
    lines: list[str] = []

    def report(line: str) -> None:
        lines.append(line)
        # The second look at an image is that at the new ones.
        if sum("looking for updates" in one for one in lines) > len(ROLES):
            harness.engine.unreachable.append("  Could not connect to mirror.test:80")

    reports = await harness.upkeep.reporting_to(report).refresh(SUITE)
    assert all(report.refreshed for report in reports)
    assert "what bookworm still lacks is unknown" in lines[-1]


async def test_failed_refresh_leaves_the_old_images_in_use_and_nothing_else(harness: Harness) -> None:
    plant_upgrade(harness)
    before = ids(harness)
    harness.images.fails = True
    with pytest.raises(ImageBuildFailedError):
        await harness.upkeep.refresh(SUITE)
    assert ids(harness) == before


async def test_silent_mirror_is_named_and_the_old_images_stay_in_use(harness: Harness) -> None:
    before = ids(harness)
    harness.engine.unreachable.append("E: Failed to fetch\n  Could not connect to mirror.test:80")
    with pytest.raises(MirrorUnreachableError, match=r"mirror\.test"):
        await harness.upkeep.refresh(SUITE)
    assert ids(harness) == before


async def test_report_is_kept_until_the_next_refresh_that_makes_images(harness: Harness) -> None:
    assert await harness.upkeep.last_report(SUITE) is None
    plant_upgrade(harness)
    reports = await harness.upkeep.refresh(SUITE)
    harness.now[0] += timedelta(hours=1)
    await harness.upkeep.refresh(SUITE)
    kept = await harness.upkeep.last_report(SUITE)
    assert kept is not None
    assert (kept.at, kept.images) == (NOW, reports)


async def test_report_is_told_with_the_images_of_the_engine(harness: Harness, tmp_path: Path) -> None:
    storage = ImageInventory(
        engine=harness.engine, images=harness.images, catalogue=CATALOGUE, folder=tmp_path / "images"
    )
    assert (await storage.look()).refreshed == {}
    plant_upgrade(harness)
    reports = await harness.upkeep.refresh(SUITE)
    assert (await storage.look()).refreshed == {SUITE: RefreshReport(at=NOW, images=reports)}


async def test_report_that_was_half_written_is_none(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "images" / "refreshes").mkdir(parents=True)
    (tmp_path / "images" / "refreshes" / f"{SUITE}.json").write_text('{"at": "2026-11-24T00:00')
    assert await harness.upkeep.last_report(SUITE) is None


async def test_check_changes_nothing(harness: Harness) -> None:
    plant_upgrade(harness)
    before = ids(harness)
    reports = await harness.upkeep.check(SUITE)
    assert [len(report.pending) for report in reports] == [0, 1]
    assert ids(harness) == before


async def test_first_use_of_an_environment_pushes_unused_ones_out(harness: Harness) -> None:
    for key in ("1" * 12, "2" * 12):
        tag = f"wheelyard/environment:{key}"
        harness.engine.add(tag, f"sha256:{key}", role="environment", builder="sha256:old-builder", definition=key)
        harness.engine.images[tag] |= {"Size": 9, "Created": "2026-11-01T00:00:00.123456789Z"}
    await harness.pruning.note_use(f"sha256:{'2' * 12}")
    left = ids(harness)
    assert f"wheelyard/environment:{'1' * 12}" not in left
    assert f"wheelyard/environment:{'2' * 12}" in left
    assert harness.names["builder"].tag in left


async def test_superseded_images_go_once_no_build_can_need_them(harness: Harness) -> None:
    plant_upgrade(harness)
    await harness.upkeep.refresh(SUITE)
    superseded = {f"sha256:old-{role}" for role in harness.names}
    assert set(harness.engine.nameless) == superseded
    assert await harness.pruning.prune() == ()
    harness.now[0] += timedelta(hours=3)
    harness.engine.in_use.add("sha256:old-builder")
    assert {image.id for image in await harness.pruning.prune()} == superseded - {"sha256:old-builder"}
    harness.engine.in_use.clear()
    assert [image.name for image in await harness.pruning.prune()] == ["builder of bookworm, superseded"]
    assert harness.engine.nameless == {}


@pytest.mark.parametrize("role", ["base", "builder", "runtime"])
async def test_image_of_an_older_definition_goes_a_week_after_its_last_use(harness: Harness, role: str) -> None:
    family = harness.names[role].current_tag.rpartition(":")[0]
    older = f"{family}:{'0' * 12}"
    harness.engine.add(older, "sha256:older", role=role, definition="0" * 64)
    harness.now[0] += timedelta(days=1)
    await harness.pruning.note_use("sha256:older")
    harness.now[0] += OUTDATED - timedelta(hours=1)
    assert await harness.pruning.prune() == ()
    harness.now[0] += timedelta(hours=1)
    assert [image.name for image in await harness.pruning.prune()] == [older]


@pytest.mark.parametrize(("ending", "role"), [("-draft", "draft"), ("-20261120T000000", "runtime")])
async def test_what_a_killed_build_or_refresh_left_goes_once_no_build_can_need_it(
    harness: Harness, ending: str, role: str
) -> None:
    left = f"{harness.names['runtime'].tag}{ending}"
    harness.engine.add(left, "sha256:left", role=role, definition=harness.names["runtime"].definition)
    assert await harness.pruning.prune() == ()
    harness.now[0] += timedelta(hours=3)
    assert [image.name for image in await harness.pruning.prune()] == [left]
    assert set(ids(harness)) == {name.tag for name in harness.names.values()}


@pytest.mark.parametrize(("role", "left"), [("draft", []), ("python", []), ("runtime", ["sha256:left"])])
async def test_stage_without_a_name_goes_once_no_build_can_be_at_it_and_images_of_others_stay(
    harness: Harness, role: str, left: list[str]
) -> None:
    harness.engine.add("left:1", "sha256:left", role=role, definition="0" * 64, suite=SUITE)
    harness.engine.nameless["sha256:left"] = harness.engine.images.pop("left:1")
    assert await harness.pruning.prune() == ()
    harness.now[0] += timedelta(hours=3)
    assert [image.name for image in await harness.pruning.prune()] == (
        [] if left else [f"stage of an image of {SUITE}"]
    )
    assert list(harness.engine.nameless) == left


async def test_image_of_others_that_inherits_our_labels_is_neither_listed_nor_pruned(harness: Harness) -> None:
    key = "1" * 12
    for tag in ("shop:1", f"shop:{key}", "wheelyard/shop:1"):
        harness.engine.add(tag, f"sha256:{tag}", role="environment", builder="sha256:old-builder", definition=key)
        harness.engine.images[tag] |= {"Created": "2026-11-01T00:00:00Z"}
    before = ids(harness)
    assert {image.id for image in await harness.images.list_images()} == {
        f"sha256:old-{role}" for role in harness.names
    }
    assert await harness.pruning.prune() == ()
    assert ids(harness) == before


async def test_schedule_refreshes_once_an_interval_and_a_failure_is_no_end(harness: Harness, tmp_path: Path) -> None:
    plant_upgrade(harness)
    now = [0.0]
    refreshes = ImageRefreshes(harness.upkeep, suites=[SUITE], folder=tmp_path / "images", clock=lambda: now[0])
    assert not await refreshes.run_if_due(3600)
    now[0] = 3600
    harness.images.fails = True
    assert await refreshes.run_if_due(3600)
    assert not await refreshes.run_if_due(3600)
    harness.images.fails = False
    now[0] = 7200
    assert await refreshes.run_if_due(3600)
    assert ids(harness)[harness.names["runtime"].tag] == "new-runtime-bookworm-3.13"


async def test_suite_that_cannot_be_refreshed_at_all_does_not_end_the_schedule(
    harness: Harness, tmp_path: Path
) -> None:
    plant_upgrade(harness)
    now, suites = [0.0], ["sarge", SUITE]
    refreshes = ImageRefreshes(harness.upkeep, suites=suites, folder=tmp_path / "images", clock=lambda: now[0])
    assert not await refreshes.run_if_due(3600)
    now[0] = 3600
    assert await refreshes.run_if_due(3600)
    assert ids(harness)[harness.names["runtime"].tag] == "new-runtime-bookworm-3.13"


async def test_revision_reaches_the_build_so_that_no_engine_takes_old_packages_from_its_cache(harness: Harness) -> None:
    images = harness.images.revised("20261125T000000")
    plan = await images.plan(SUITE)
    base = ImageRecord(id="b", tags=("b:1",), role="base", definition="", labels={}, size_bytes=0, created="")
    parts = Parts(base=base, pythons=PythonImage(tag="p", sources=()))
    assert plan.runtime_build(PYTHON, parts).build_args["REVISION"] == "20261125T000000"
    builder = await images._expect("sha256:old-builder")
    _, build = images._revise(*environment_build(builder, ("libpq-dev",)))
    assert build.build_args == {"REVISION": "20261125T000000"}
    assert build.dockerfile.index("ARG REVISION") < build.dockerfile.index("apt-get update")


async def test_schedule_goes_on_after_a_time_that_was_half_written(harness: Harness, tmp_path: Path) -> None:
    plant_upgrade(harness)
    now = [0.0]
    refreshes = ImageRefreshes(harness.upkeep, suites=[SUITE], folder=tmp_path, clock=lambda: now[0])
    (tmp_path / "last-refresh").write_text("")
    assert not await refreshes.run_if_due(3600)
    now[0] = 3600
    assert await refreshes.run_if_due(3600)
    assert ids(harness)[harness.names["runtime"].tag] == "new-runtime-bookworm-3.13"


async def test_image_that_somebody_made_from_an_environment_is_never_pruned(harness: Harness) -> None:
    key = "1" * 12
    for tag, image_id in ((f"wheelyard/environment:{key}", "ours"), ("example/shell:1", "theirs")):
        harness.engine.add(tag, image_id, role="environment", definition=key)
        harness.engine.images[tag]["Created"] = "2026-11-01T00:00:00+00:00"

    assert [image.id for image in await harness.pruning.prune()] == ["ours"]
    assert "example/shell:1" in harness.engine.images
