"""Hostile projects on the real engine: each ends as expected, and all of them together leave nothing behind.

They run a few at a time, as a worker's builds do, and those that only a time limit ends wait for it side by side.
"""

import asyncio
import json
import re
import uuid
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from tests.hostile.build_harness import (
    LOG_BYTES,
    SMALL,
    assert_ended_as_expected,
    assert_untouched,
    run_of,
    run_of_brought,
    run_of_build,
)
from tests.hostile.corpus import BUILDS, HERE, PROOFS, SDISTS, WHEELS, Attack
from tests.hostile.traces import changes, what_there_is
from tests.hostile.wheel_parts import wheel_with
from tests.integration.container_harness import ContainerHarness, PackageRun, open_harness

from wheelyard.domain.builds.build import Build

AT_ONCE: Final = 4
REFUSED_SDISTS: Final = {name: attack for name, attack in SDISTS.items() if attack.refused}
FIGURES: Final = {name: attack for name, attack in BUILDS.items() if "FIGURE" in attack.facts}
"""Those whose failure at a limit says which figure was reached."""

Ended = Mapping[Path, tuple[PackageRun, Build]]
"""How attacks have ended, by their files."""


@pytest.fixture(scope="module")
async def harness(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ContainerHarness]:
    """Give a stand, and hold everything outside of the containers to being as it was before all of the attacks."""
    folder = tmp_path_factory.mktemp("hostile")
    async with open_harness(folder, f"test-{uuid.uuid4().hex}") as opened:
        before = await what_there_is(opened)
        yield opened
        assert changes(before, await what_there_is(opened)) == {}
        assert [path.name for path in (folder / "attempts").iterdir()] == []


@pytest.fixture(scope="module")
async def ended(harness: ContainerHarness, request: pytest.FixtureRequest) -> Ended:
    """Run the attacks that were chosen, of all kinds, a few at a time, and give how each has ended."""
    specs = (getattr(item, "callspec", None) for item in request.session.items if item.path == request.path)
    chosen = {attack.path: attack for spec in specs if spec and (attack := spec.params.get("attack"))}
    limit = asyncio.Semaphore(AT_ONCE)

    async def go(attack: Attack) -> tuple[PackageRun, Build]:
        async with limit:
            run = await asyncio.to_thread(run_of, harness, attack)  # some attacks take a while to make
            return run, await run.go()

    outcomes = await asyncio.gather(*map(go, chosen.values()))
    assert await harness.containers() == []
    return dict(zip(chosen, outcomes, strict=True))


@pytest.mark.parametrize("attack", BUILDS.values(), ids=BUILDS)
def test_attack_ends_as_expected(ended: Ended, attack: Attack) -> None:
    assert_ended_as_expected(*ended[attack.path], attack)


@pytest.mark.parametrize("attack", REFUSED_SDISTS.values(), ids=REFUSED_SDISTS)
def test_hostile_sdist_is_refused_in_its_container(ended: Ended, attack: Attack) -> None:
    assert_ended_as_expected(*ended[attack.path], attack)


@pytest.mark.parametrize("attack", WHEELS.values(), ids=WHEELS)
def test_hostile_wheel_ends_as_expected_when_it_comes_out_of_a_container(ended: Ended, attack: Attack) -> None:
    assert_ended_as_expected(*ended[attack.path], attack)


@pytest.mark.parametrize("attack", PROOFS.values(), ids=PROOFS)
def test_brought_wheel_that_attacks_its_proof_ends_as_expected(ended: Ended, attack: Attack) -> None:
    assert_ended_as_expected(*ended[attack.path], attack)


@pytest.mark.parametrize("attack", [PROOFS["prints_without_end"]], ids=["prints_without_end"])
def test_log_of_a_proof_that_prints_without_end_has_a_limit(ended: Ended, attack: Attack) -> None:
    log = ended[attack.path][0].log()
    assert LOG_BYTES / 2 < len(log) < 2 * LOG_BYTES


@pytest.mark.parametrize("attack", FIGURES.values(), ids=FIGURES)
def test_failure_at_a_limit_names_the_figure_that_was_reached(ended: Ended, attack: Attack) -> None:
    failure = ended[attack.path][1].failure
    assert failure is not None
    assert re.search(str(attack.facts["FIGURE"]), failure.summary), failure.summary


@pytest.mark.parametrize("attack", [BUILDS["terminal_log"]], ids=["terminal_log"])
def test_log_of_terminal_escapes_is_kept_as_text_and_none_of_it_is_a_line_of_ours(ended: Ended, attack: Attack) -> None:
    run = ended[attack.path][0]
    assert "==> stage publish\n" in run.log()
    assert '{"text": "stage forged", "stage": "publish"}\n' in run.log()
    assert [note for note in run.notes() if "forged" in note] == []
    assert [note for note in run.notes() if note.startswith("stage ")][:4] == [
        f"stage {stage}" for stage in ("resolve", "fetch", "prepare", "build")
    ]


async def what_it_finds(run: PackageRun, heading: str) -> dict[str, Any]:
    assert (await run.go()).failure is None
    line = next(line for line in run.log().splitlines() if line.startswith(heading))
    found: dict[str, Any] = json.loads(line.removeprefix(heading))
    return found


def run_of_probe(harness: ContainerHarness, probe: str, where: str) -> PackageRun:
    """Give what runs a probe: a build, or the proof of a brought wheel whose module is the probe."""
    path = HERE / "probes" / f"{probe}.py"
    if where == "build":
        return run_of_build(harness, path)
    return run_of_brought(harness, wheel_with(**{"demo.py": path.read_bytes() + b"\nattack()\n"}))


IN_BOTH: Final = pytest.mark.parametrize("where", ["build", "proof of a brought wheel"])


@IN_BOTH
async def test_kernel_has_every_limit(harness: ContainerHarness, where: str) -> None:
    found = await what_it_finds(run_of_probe(harness, "limits", where), "limits: ")
    assert found["memory"] == [str(SMALL.memory_bytes)]
    # The two versions of cgroups say it differently; a kernel without either could not limit it, and has none to use.
    swap = (found["swap"], found["memory_and_swap"])
    unlimited = swap == (None, None) and found["host_swap_bytes"] == 0
    assert unlimited or swap in ((["0"], None), (None, [str(SMALL.memory_bytes)]))
    assert (found["cpus"], found["processes"]) == (SMALL.cpus, [str(SMALL.processes)])
    assert (found["open_files"], found["core"]) == ([SMALL.open_files] * 2, [0, 0])
    assert found["scratch"] == [SMALL.scratch_bytes] * 2


@IN_BOTH
async def test_every_way_out_of_the_sandbox_is_refused(harness: ContainerHarness, where: str) -> None:
    found = await what_it_finds(run_of_probe(harness, "sandbox", where), "probes: ")
    assert [name for name, refusal in found.items() if refusal is None] == []
    assert len(found) >= 40


async def test_attempts_at_the_network_are_in_the_report(harness: ContainerHarness) -> None:
    build = await run_of(harness, BUILDS["calls_home"]).go()
    assert build.wheel is not None
    built, proven = build.wheel.warnings
    assert built.startswith("In the build stage its code called for files.example.invalid:443, 192.0.2.1:443, ")
    assert "names.example.invalid" in built
    assert proven.startswith("In the verify stage its code called for imports.example.invalid:80, ")
    assert all("sources (url, sha256, to)" in warning for warning in build.wheel.warnings)


async def test_build_beside_attacks_finishes_untouched(harness: ContainerHarness) -> None:
    attacks = [BUILDS[name] for name in ("fork_bomb", "memory_hog", "open_files")]
    beside, *runs = (
        run_of_build(harness, HERE / "project" / "backend.py"),
        *(run_of(harness, attack) for attack in attacks),
    )
    ordinary, *attacked = await asyncio.gather(*(run.go() for run in (beside, *runs)))
    assert_untouched(beside, ordinary)
    for run, build, attack in zip(runs, attacked, attacks, strict=True):
        assert_ended_as_expected(run, build, attack)
