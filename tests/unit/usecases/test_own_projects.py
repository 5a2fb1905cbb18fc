"""Nobody upstream is asked for a project of the organisation's own, on whichever way its name is reached.

The upstream index of these tests fails them if it is asked. The ways through uv are in
``tests/integration/test_dependency_confusion.py``.
"""

import io
import tarfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version
from tests.contract.samples import TARGET, sample_order
from tests.fakes.builds import MemoryAttempts, MemoryBuilds
from tests.fakes.dependencies import MemoryMissingReleases
from tests.fakes.index import MemoryIndex
from tests.fakes.own_projects import ForbiddenUpstream, own_source
from tests.fakes.sources import MemoryReleaseResolver, MemorySourceIndex
from tests.unit.api_harness import ApiParts, prebuild_harness
from tests.unit.pipeline_harness import make_harness
from tests.unit.web_harness import web_harness
from tests.unit.wheel_harness import METADATA, WheelHarness

from wheelyard.adapters.resolver.own_projects import OwnSource
from wheelyard.domain.builds.build import MissingRelease, Status
from wheelyard.domain.builds.expectations import Doubt
from wheelyard.domain.builds.queue import Priority
from wheelyard.domain.builds.records import Outcome
from wheelyard.domain.healing.findings import Finding, FindingKind
from wheelyard.domain.healing.healing import InferenceSource
from wheelyard.domain.healing.mending import Mend
from wheelyard.domain.packaging.release import IndexFile
from wheelyard.domain.prebuilds.prebuild import ItemStatus, Prefer
from wheelyard.errors import OwnProjectError
from wheelyard.pipeline.inference import Basket, add_mend
from wheelyard.pipeline.upstream_evidence import find_upstream
from wheelyard.usecases.advance_prebuild import MirrorWheel
from wheelyard.usecases.order_dependencies import OrderDependencies
from wheelyard.usecases.prebuild import PrebuildRequest, Prebuilds
from wheelyard.usecases.read_dependencies import DependencyInput
from wheelyard.usecases.request_build import BuildRequest, RequestBuild

SDIST = "demo-1.0.tar.gz"


@dataclass(frozen=True, kw_only=True)
class Harness:
    """An organisation that has brought ``demo``, and owns all names that begin with ``acme-``."""

    index: WheelHarness
    source: OwnSource
    request: RequestBuild
    prebuilds: Prebuilds


def packed(metadata: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as bundle:
        member = tarfile.TarInfo("demo-1.0/PKG-INFO")
        member.size = len(metadata)
        bundle.addfile(member, io.BytesIO(metadata))
    return buffer.getvalue()


def make(folder: Path) -> Harness:
    index = WheelHarness()
    content = packed(METADATA)

    async def fetch(file: IndexFile) -> Path:
        path = folder / file.filename
        path.write_bytes(content)
        return path

    source = own_source(index.state, folder, patterns=("acme-*",), held=index.prod, fetch=fetch)
    index.bring(SDIST, content)
    parts = ApiParts(
        state=index.state,
        builds=MemoryBuilds(index.state),
        logs=None,  # type: ignore[arg-type]  # nothing here reads a log
        source=MemorySourceIndex(folder),
        cache_dir=folder,
    )
    request = parts.order()
    request._source = source
    resolver = MemoryReleaseResolver()
    resolver.add("demo", "1.0")
    prebuilds = prebuild_harness(index.state, source=source, resolver=resolver, index=index.prod, request_build=request)
    return Harness(index=index, source=source, request=request, prebuilds=prebuilds)


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return make(tmp_path)


def wanted(requirement: str) -> BuildRequest:
    return BuildRequest(
        requirement=requirement, python=TARGET.python, platform=TARGET.platform, requested_by="somebody"
    )


@pytest.mark.parametrize("requirement", ["demo", "Demo==1.0", "demo>=0.5"])
async def test_request_is_built_from_the_brought_sdist(harness: Harness, requirement: str) -> None:
    order = (await harness.request(wanted(requirement))).build.order
    assert (order.project, order.version, order.sdist.url) == ("demo", "1.0", f"sdist:{SDIST}")
    assert order.sdist.sha256 == harness.index.state.sdists[SDIST].sha256


async def test_request_for_an_own_name_without_an_sdist_is_refused(harness: Harness) -> None:
    with pytest.raises(OwnProjectError):
        await harness.request(wanted("acme-core"))


async def test_plan_of_an_application_looks_up_own_sdists_and_no_upstream_wheel(harness: Harness) -> None:
    given = DependencyInput(requirements=("demo",))
    for prefer in Prefer:
        request = PrebuildRequest(given=given, targets=(TARGET,), prefer=prefer, requested_by="somebody")
        (item,) = (await harness.prebuilds.plan(request)).items
        assert (item.project, item.version, item.status) == ("demo", "1.0", ItemStatus.BUILD)


async def test_lock_with_an_own_name_is_built_here_or_impossible(harness: Harness) -> None:
    lock = "demo==1.0 --hash=sha256:" + "0" * 64 + "\nacme-core==1.0\n"
    given = DependencyInput(files={"requirements.txt": lock}, start="requirements.txt")
    resolver = harness.prebuilds.read.resolver
    assert isinstance(resolver, MemoryReleaseResolver)
    resolver.add("acme-core", "1.0")
    request = PrebuildRequest(given=given, targets=(TARGET,), prefer=Prefer.UPSTREAM, requested_by="somebody")
    items = {item.project: item for item in (await harness.prebuilds.plan(request)).items}
    assert {name: item.status for name, item in items.items()} == {
        "acme-core": ItemStatus.IMPOSSIBLE,
        "demo": ItemStatus.IMPOSSIBLE,
    }
    assert "own projects" in items[canonicalize_name("acme-core")].reason


async def test_upstream_wheel_of_a_name_that_became_ours_is_not_mirrored(harness: Harness) -> None:
    stranger = IndexFile(
        filename="demo-9.0-py3-none-any.whl",
        url="https://upstream.invalid/demo-9.0-py3-none-any.whl",
        sha256="0" * 64,
        kind="wheel",
        version=Version("9.0"),
    )
    held = MemoryIndex()
    mirror = MirrorWheel(source=harness.source, index=held, wheels=harness.index.wheels, now=harness.index.state.clock)
    with pytest.raises(OwnProjectError):
        await mirror(stranger, TARGET)
    assert held.files == {}


async def test_missing_build_requirement_is_ordered_from_the_brought_sdist(harness: Harness) -> None:
    state = harness.index.state
    submission = await MemoryBuilds(state).submit(
        sample_order(project="top"), requested_by="alice", priority=Priority.BATCH
    )
    claim = await MemoryAttempts(state).claim(submission.build.id, worker="w", lease_seconds=20)
    assert claim is not None
    needs = (MissingRelease(project="demo", version="1.0"),)
    assert await MemoryAttempts(state).finish(claim, Outcome(status=Status.QUEUED, counts=False, needs=needs))
    await OrderDependencies(store=MemoryMissingReleases(state), request_build=harness.request).once()
    (awaited,) = (await MemoryBuilds(state).get(submission.build.id)).waits_for
    needed = await MemoryBuilds(state).get(awaited.build_id or "")
    assert needed.order.sdist.url == f"sdist:{SDIST}"


async def test_wheel_of_an_own_project_is_compared_with_nothing_upstream(harness: Harness, tmp_path: Path) -> None:
    pipeline = make_harness(tmp_path)
    tools = replace(pipeline.tools, source=harness.source)
    doubt = Doubt(is_pure=True)
    assert (await find_upstream(pipeline.job, tools, doubt)).wheel is None
    pipeline.order = replace(pipeline.order, project="acme-core")
    assert (await find_upstream(pipeline.job, tools, doubt)).wheel is None


async def test_older_releases_of_own_build_requirements_are_not_looked_up(harness: Harness, tmp_path: Path) -> None:
    pipeline = make_harness(tmp_path)
    sdist = harness.index.state.sdists[SDIST]
    pipeline.order = replace(pipeline.order, sdist=replace(pipeline.order.sdist, sha256=sdist.sha256))
    basket = Basket(
        job=pipeline.job,
        tools=replace(pipeline.tools, source=harness.source),
        source=InferenceSource.FAILURE,
        room=5,
        bytes_left=5000,
    )
    drift = Mend(finding=Finding(kind=FindingKind.BACKEND_DRIFT, name="acme-backend"), older="acme-backend")
    assert not await add_mend(basket, drift, ["acme_backend-2.0-py3-none-any.whl", "demo-1.0-py3-none-any.whl"])


async def test_other_build_requirements_are_still_looked_up_beside_own_ones(tmp_path: Path) -> None:
    pipeline = make_harness(tmp_path)
    content = b"an old sdist"
    sdist = pipeline.source.add("demo-0.1.tar.gz", content, upload_time=datetime(2020, 6, 1, tzinfo=UTC))
    pipeline.order = replace(pipeline.order, sdist=replace(pipeline.order.sdist, sha256=sdist.sha256))
    for version, year in (("46.0", 2020), ("80.0", 2025)):
        pipeline.source.add(f"setuptools-{version}-py3-none-any.whl", upload_time=datetime(year, 3, 1, tzinfo=UTC))
    source = own_source(WheelHarness().state, tmp_path, patterns=("acme-*",), upstream=pipeline.source)
    basket = Basket(
        job=pipeline.job,
        tools=replace(pipeline.tools, source=source),
        source=InferenceSource.FAILURE,
        room=5,
        bytes_left=5000,
    )
    refusal = Mend(finding=Finding(kind=FindingKind.PROJECT_REFUSES, name=""), older="")
    given = ["acme_backend-2.0-py3-none-any.whl", "setuptools-80.0-py3-none-any.whl"]
    assert await add_mend(basket, refusal, given)
    assert [one.value for one in basket.added] == ["setuptools<=46.0"]


async def test_pages_show_and_suggest_own_releases_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with web_harness(tmp_path) as web:
        await web.sign_in()
        index = WheelHarness(state=web.api.state, prod=web.api.held)
        index.bring("demo-2.0.tar.gz")
        index.put("demo-1.0-1-py3-none-any.whl")
        source = own_source(web.api.state, tmp_path, patterns=("acme-*",), upstream=ForbiddenUpstream())
        monkeypatch.setattr(web.api.services.request_build, "_source", source)
        for typed, found in (("demo==", ["demo==2.0"]), ("acme-core==", []), ("acme-", [])):
            answer = await web.browser.get(f"/request/suggestions?q={quote(typed)}")
            assert answer.json()["suggestions"] == found
        links = [link["href"] for link in (await web.see("/projects/demo")).find("a")]
        assert "/wheels/demo-1.0-1-py3-none-any.whl" in links
        assert "/request?requirement=demo%3D%3D2.0" in links
        assert "own projects" in (await web.see("/request?requirement=acme-core")).text
