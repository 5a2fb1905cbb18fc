"""Whole attempts in real containers: what becomes of tiny projects, one for each way that a build can go."""

import asyncio
import json
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.integration.container_harness import ASLEEP, LIMITS, ContainerHarness, PackageRun, open_harness

from wheelyard.domain.builds.build import Build, Failure, Stage, Status, Wheel
from wheelyard.domain.catalogue.package_managers import CONTAINER_USERS
from wheelyard.domain.recipes.effective import EffectiveRecipe

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 90.0
"""For what takes a second or two on a machine that has nothing else to do."""
MIB = 1 << 20


@pytest.fixture(scope="module")
async def harness(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ContainerHarness]:
    async with open_harness(tmp_path_factory.mktemp("state"), f"test-{uuid.uuid4().hex}") as opened:
        yield opened
        await asyncio.gather(*(opened.command.run(["rm", "--force", left]) for left in await opened.containers()))


@pytest.fixture(autouse=True)
async def no_container_is_left(harness: ContainerHarness) -> AsyncIterator[None]:
    yield
    assert await harness.containers() == []


@pytest.fixture(scope="module")
async def native(harness: ContainerHarness) -> PackageRun:
    run = harness.run_of("native")
    await run.go()
    return run


def succeeded(build: Build) -> Wheel:
    assert build.failure is None
    assert build.wheel is not None
    return build.wheel


def failed(build: Build) -> Failure:
    assert build.wheel is None
    assert build.failure is not None
    return build.failure


async def until_no_container_is_left(harness: ContainerHarness) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await harness.containers():  # noqa: ASYNC110  the engine of another process has no event to wait for
            await asyncio.sleep(0.2)


async def test_extension_is_built_repaired_and_imported(native: PackageRun) -> None:
    wheel = succeeded(await native.builds.get(native.build_id))
    assert (wheel.is_pure, wheel.extensions, wheel.grafted) == (False, ("native._fast",), ())
    assert wheel.tag_before_repair == "cp313-cp313-linux_x86_64"
    assert wheel.policy is not None
    assert wheel.tag.startswith("cp313-cp313-manylinux")
    assert wheel.policy in wheel.tag
    assert wheel.imported_modules == ("native", "native._fast")
    assert wheel.policy_reason is not None
    assert wheel.policy_reason.policy == wheel.policy
    assert wheel.policy_reason.sentence.startswith(f"{wheel.policy} because ")
    assert [name for _, name in native.index.files] == [wheel.filename]
    assert wheel.filename.startswith("native-1.0-1.bookworm-cp313-")


async def test_library_that_the_recipe_names_is_grafted_with_its_origin(harness: ContainerHarness) -> None:
    wheel = succeeded(await harness.run_of("needs-library", recipe=EffectiveRecipe(apt=("libyaml-dev",))).go())
    (library,) = wheel.grafted
    assert (library.soname, library.package) == ("libyaml-0.so.2", "libyaml-0-2")
    assert library.path.startswith("needs_library.libs/")
    assert library.package_version
    assert (library.source_package or "").startswith("libyaml ")
    assert (library.origin or "").endswith("/libyaml-0.so.2.0.9")
    (extension,) = library.needed_by
    assert extension.startswith("needs_library.cpython-313-")
    assert library.chain == (extension, "libyaml-0.so.2")
    assert wheel.policy_reason is not None
    assert all(need.symbols and need.chain for need in wheel.policy_reason.needs)
    assert wheel.imported_modules == ("needs_library",)


async def test_what_is_for_a_companion_or_another_platform_is_let_pass_and_told(harness: ContainerHarness) -> None:
    run = harness.run_of("wants-companion")
    wheel = succeeded(await run.go())
    assert (wheel.extensions, wheel.imported_modules) == (("wants_companion._bridge",), ("wants_companion",))
    assert wheel.policy == "manylinux_2_5_x86_64"
    assert wheel.warnings == (
        "wants_companion.windows cannot be imported: it wants wants_companion._windows, which the wheel lacks.",
        (
            "wants_companion._bridge was loaded and not imported: it wants no_such_companion, which the wheel does not "
            "require."
        ),
    )
    assert f"warning: {wheel.warnings[0]}" in run.log()


async def test_same_sdist_gives_the_same_bytes_again(harness: ContainerHarness, native: PackageRun) -> None:
    again = harness.run_of("native")
    succeeded(await again.go())
    assert again.index.files == native.index.files


async def test_tag_that_promises_an_older_glibc_is_corrected(harness: ContainerHarness) -> None:
    wheel = succeeded(await harness.run_of("claims-old-glibc").go())
    assert wheel.tag_before_repair == "cp313-cp313-manylinux1_x86_64"
    assert (wheel.policy, wheel.tag) == ("manylinux_2_34_x86_64", "cp313-cp313-manylinux_2_34_x86_64")
    assert (
        "manylinux1_x86_64: it needs GLIBC_2.34 of libc.so.6, so it complies with manylinux_2_34_x86_64 (tag-too-old)."
    ) in wheel.warnings


@pytest.mark.parametrize(
    ("project", "kind", "name", "said"),
    [
        (
            "abi3-false",
            "abi3-violated",
            "abi3_false.abi3.so",
            "the stable ABI of Python 3.9, and it needs PyUnicode_New (not in the stable ABI)",
        ),
        (
            "leaves-library-behind",
            "library-not-promised",
            "libleft.so.1",
            "leaves_library_behind.cpython-313-x86_64-linux-gnu.so needs it; it is neither in the wheel nor here",
        ),
    ],
)
async def test_false_claim_fails_with_its_name(
    harness: ContainerHarness, project: str, kind: str, name: str, said: str
) -> None:
    run = harness.run_of(project)
    failure = failed(await run.go())
    assert (failure.stage, failure.code) == (Stage.REPAIR, "wheel-claims-false")
    (finding,) = failure.findings
    assert (finding.kind.value, finding.name) == (kind, name)
    assert said in finding.cause
    assert finding.remedy in failure.hint
    assert run.index.files == {}


async def test_pure_wheel_gets_a_build_tag_only(harness: ContainerHarness) -> None:
    wheel = succeeded(await harness.run_of("pure").go())
    assert wheel.filename == "pure-1.0-1.bookworm-py3-none-any.whl"
    assert (wheel.is_pure, wheel.policy, wheel.extensions, wheel.grafted) == (True, None, (), ())
    assert (wheel.tag, wheel.imported_modules) == (wheel.tag_before_repair, ("pure",))


async def test_backend_gets_what_it_asks_for_once_it_runs(harness: ContainerHarness) -> None:
    run = harness.run_of("dynamic-requires")
    requirements = succeeded(await run.go()).build_requirements
    assert [one.filename.split("-")[0] for one in requirements] == ["flit_core", "setuptools"]
    assert "asked for and got flit_core" in run.log()


async def test_project_without_pyproject_is_built_by_setuptools(harness: ContainerHarness) -> None:
    assert succeeded(await harness.run_of("no-pyproject").go()).imported_modules == ("no_pyproject",)


@pytest.mark.parametrize(
    ("project", "stage", "code", "said"),
    [
        ("compile-error", Stage.BUILD, "build-failed", "compile_error.c:1 does not compile: "),
        ("missing-header", Stage.BUILD, "build-failed", "the C header no_such_library.h is missing"),
        ("needs-library", Stage.BUILD, "build-failed", "the C header yaml.h is missing"),
        ("names-no-wheel", Stage.BUILD, "build-failed", "names_no_wheel-1.0-py3-none-any.whl, which it did not make"),
        ("network", Stage.BUILD, "build-failed", "it tried to reach the network"),
        ("wrong-name", Stage.REPAIR, "untrusted-output", "another-project 1.0, but wrong-name 1.0 was ordered"),
        ("lost-extension", Stage.REPAIR, "extension-missing", "extension modules lost_extension."),
        ("falls-back", Stage.REPAIR, "extension-missing", "extension modules falls_back._fast."),
        ("import-fails", Stage.VERIFY, "verify-failed", "RuntimeError: it cannot be imported anywhere"),
    ],
)
async def test_failure_says_what_and_why(
    harness: ContainerHarness, project: str, stage: Stage, code: str, said: str
) -> None:
    run = harness.run_of(project)
    failure = failed(await run.go())
    assert (failure.stage, failure.code, failure.retryable) == (stage, code, False)
    assert said in failure.summary
    assert failure.hint
    assert run.index.files == {}


@pytest.mark.parametrize(
    ("project", "warning"),
    [
        ("leaves-out-c", "It is pure, though its sdist may hold extension modules: fast (src/fast.c)"),
        ("leaves-out-cython", "leaves_out_cython.fast (leaves_out_cython/fast.pyx)"),
        ("leaves-out-fortran", "one that src/answer.F90 makes."),
        ("leaves-out-rust", "leaves_out_rust (Cargo.toml)"),
        ("leaves-out-one", "It has no other (src/other.c)."),
    ],
)
async def test_what_only_sources_suggest_is_told(harness: ContainerHarness, project: str, warning: str) -> None:
    wheel = succeeded(await harness.run_of(project).go())
    assert any(warning in one for one in wheel.warnings)


async def test_network_cannot_be_reached_and_has_no_names(harness: ContainerHarness) -> None:
    run = harness.run_of("network")
    failure = failed(await run.go())
    assert "Network is unreachable" in failure.log_excerpt
    assert "no names: " in run.log()


async def test_extension_that_the_recipe_expects_must_be_there(harness: ContainerHarness) -> None:
    recipe = EffectiveRecipe(expected_extensions=("pure._fast",))
    failure = failed(await harness.run_of("pure", recipe=recipe).go())
    assert (failure.stage, failure.code) == (Stage.REPAIR, "extension-missing")
    assert "pure._fast" in failure.summary


async def test_recipe_may_name_what_is_right_to_be_absent(harness: ContainerHarness) -> None:
    recipe = EffectiveRecipe(expected_extensions=("leaves_out_one",), absent_extensions=("other",))
    wheel = succeeded(await harness.run_of("leaves-out-one", recipe=recipe).go())
    assert (wheel.extensions, wheel.warnings) == (("leaves_out_one",), ())


async def test_pure_wheel_of_an_sdist_that_carries_sources_of_others_is_right(harness: ContainerHarness) -> None:
    assert succeeded(await harness.run_of("carries-sources").go()).is_pure


@pytest.mark.parametrize(("project", "tag"), [("lost-extension", "cp313-none-any"), ("falls-back", "py3-none-any")])
async def test_recipe_may_say_that_pure_is_right(harness: ContainerHarness, project: str, tag: str) -> None:
    wheel = succeeded(await harness.run_of(project, recipe=EffectiveRecipe(is_pure=True)).go())
    assert (wheel.is_pure, wheel.tag, wheel.policy_reason) == (True, tag, None)


async def test_build_that_takes_too_long_is_ended(harness: ContainerHarness) -> None:
    failure = failed(await harness.run_of("sleeps", limits=replace(LIMITS, time_seconds=5)).go())
    assert (failure.stage, failure.code) == (Stage.BUILD, "time-limit")
    assert "5 s" in failure.summary


async def test_build_that_takes_too_much_memory_is_ended(harness: ContainerHarness) -> None:
    limits = replace(LIMITS, memory_bytes=192 * MIB, scratch_bytes=64 * MIB)
    failure = failed(await harness.run_of("memory-hog", limits=limits).go())
    assert (failure.stage, failure.code) == (Stage.BUILD, "memory-limit")
    assert "192 MiB" in failure.summary


@pytest.mark.parametrize("how", [("kill",), ("kill", "--signal", "INT"), ("rm", "--force")], ids=" ".join)
async def test_container_that_is_ended_from_outside_is_no_fault_of_the_project(
    harness: ContainerHarness, how: tuple[str, ...]
) -> None:
    run = harness.run_of("sleeps")
    async with asyncio.timeout(PATIENCE_SECONDS):
        working = asyncio.create_task(run.go())
        await run.until_logged(ASLEEP)
        await harness.command.run([*how, *await harness.containers()])
        await working
    (attempt,) = (await run.builds.get(run.build_id)).attempts
    assert attempt.failure is not None
    assert (attempt.failure.code, attempt.failure.retryable) == ("container-lost", True)
    assert (await run.builds.get(run.build_id)).status is Status.QUEUED


async def test_build_that_fills_its_scratch_space_is_told_so(harness: ContainerHarness) -> None:
    failure = failed(await harness.run_of("scratch-filler", limits=replace(LIMITS, scratch_bytes=64 * MIB)).go())
    assert (failure.stage, failure.code) == (Stage.BUILD, "disk-limit")
    assert "64 MiB" in failure.summary
    assert "WHEELYARD_LIMIT_SCRATCH_BYTES" in failure.hint


async def test_log_is_cut_at_its_limit_and_the_build_goes_on(harness: ContainerHarness) -> None:
    run = harness.run_of("prints-a-lot", log_bytes=64 << 10)
    build = await run.go()
    succeeded(build)
    assert build.attempts[0].log_truncated
    note = "==> the log was cut here, at its limit of 65536 bytes (WHEELYARD_LIMIT_LOG_BYTES, limits.log)\n"
    assert note in run.log()
    assert "stage publish" in run.notes(), "our own lines are not cut"
    assert 64 << 10 <= build.attempts[0].log_size_bytes < 72 << 10


async def test_build_that_floods_its_log_is_held_back_and_loses_no_line(harness: ContainerHarness) -> None:
    run = harness.run_of("prints-a-lot", log_bytes=4 * MIB, log_bytes_per_second=MIB // 8)
    build = await run.go()
    succeeded(build)
    printed = [line for line in run.log().splitlines() if len(line) == 63 and line.isdecimal()]
    assert [int(line) for line in printed[: 1 << 14]] == list(range(1 << 14))
    (seconds,) = (one.seconds for one in build.attempts[0].timings if one.stage is Stage.BUILD)
    assert seconds >= 7, "of a MiB an eighth came at once, and an eighth more each second"


async def test_build_sees_nothing_but_its_sandbox(harness: ContainerHarness) -> None:
    run = harness.run_of("looks-around")
    succeeded(await run.go())
    facts = json.loads(next(line for line in run.log().splitlines() if line.startswith("facts: "))[7:])
    (number,) = facts["uids"]
    assert number in CONTAINER_USERS
    assert facts["groups"] == [number]
    assert facts["user"] == ["wheelyard", "x", number, number, "", facts["home"], "/bin/sh"]
    assert set(facts["capabilities"]) == {"0" * 16}
    assert (facts["no_new_privileges"], facts["seccomp"]) == ("1", "2")
    assert (set(facts["interfaces"]) - {"lo"}, facts["routes"]) == (set(), [])
    assert (facts["writable"], facts["sockets"]) == ([], [])
    assert set(facts["disks"]) <= {"/", "/etc/resolv.conf", "/etc/hostname", "/etc/hosts"}
    assert facts["processes"][0] == 1
    assert len(facts["processes"]) <= 3
    assert not [name for name in facts["environment"] if name.startswith(("WHEELYARD", "DOCKER", "SSL"))]


async def test_tamperer_gets_its_own_wheel_or_a_refusal(harness: ContainerHarness) -> None:
    run = harness.run_of("tamperer")
    build = await run.go()
    log = run.log()
    for what in ("list /proc/1/fd", "write /proc/1/fd/1", "write /proc/1/fd/3", "write /proc/1/mem"):
        assert f"tamperer: {what} refused: PermissionError" in log
    assert "forged" not in "".join(run.index.filenames())
    if build.failure is None:
        assert succeeded(build).filename == "tamperer-1.0-1.bookworm-py3-none-any.whl"
    else:
        assert build.failure.code in {"build-failed", "untrusted-output", "time-limit"}


async def test_cancelled_build_removes_its_container(harness: ContainerHarness) -> None:
    run = harness.run_of("sleeps")
    async with asyncio.timeout(PATIENCE_SECONDS):
        working = asyncio.create_task(run.go())
        await run.until_logged(ASLEEP)
        assert len(await harness.containers()) == 1
        await run.builds.request_cancel(run.build_id, requested_by="tests")
        assert (await working).status is Status.CANCELLED
    assert await harness.containers() == []


async def test_worker_that_stops_removes_its_container(harness: ContainerHarness) -> None:
    run = harness.run_of("sleeps")
    async with asyncio.timeout(PATIENCE_SECONDS):
        working = asyncio.create_task(run.go())
        await run.until_logged(ASLEEP)
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
    assert await harness.containers() == []
    build = await run.builds.get(run.build_id)
    assert (build.status, build.attempts[0].status) == (Status.QUEUED, Status.CANCELLED), "handed back"


@pytest.mark.parametrize("kill", [os.kill, os.killpg], ids=["worker", "worker-and-client"])
async def test_killed_worker_leaves_a_container_that_ends_by_itself(
    harness: ContainerHarness, kill: Callable[[int, int], None], tmp_path: Path
) -> None:
    program = [sys.executable, "-m", "tests.integration.container_harness", str(tmp_path), harness.worker]
    path = os.pathsep.join(map(str, (ROOT, ROOT / "service")))
    worker = await asyncio.create_subprocess_exec(
        *program,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert worker.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while line := await worker.stdout.readline():
                if line.decode() == f"{ASLEEP}\n":
                    break
        assert len(await harness.containers()) == 1
    finally:
        kill(worker.pid, signal.SIGKILL)
        await worker.wait()
    await until_no_container_is_left(harness)
