"""An API offers the machines that its workers have, whatever its own host is."""

from pathlib import Path

import pytest

from wheelyard.assembly.images import builder_facts
from wheelyard.assembly.parts import Parts
from wheelyard.errors import SettingsInvalidError
from wheelyard.settings import Settings

BOTH = ("x86_64", "aarch64")


async def test_targets_are_those_of_all_workers_machines(tmp_path: Path) -> None:
    facts = await builder_facts(Parts(Settings(state_dir=tmp_path, architectures=BOTH)))
    offered = {choice.policy.architecture for choice in facts.catalogue.builders()}
    assert offered == set(BOTH)
    assert {architecture for architecture, _, _ in facts.definitions} == set(BOTH)


async def test_a_machines_builders_are_the_same_whoever_defines_them(tmp_path: Path) -> None:
    alone, both = [
        await builder_facts(Parts(Settings(state_dir=tmp_path, architectures=machines)))
        for machines in (BOTH[:1], BOTH)
    ]
    assert alone.definitions.items() <= both.definitions.items()
    assert both.definitions["x86_64", "bookworm", "3.13"] != both.definitions["aarch64", "bookworm", "3.13"]


async def test_machine_that_no_suite_knows_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalidError, match="WHEELYARD_ARCHITECTURES"):
        await builder_facts(Parts(Settings(state_dir=tmp_path, architectures=("riscv64",))))


async def test_emulated_architecture_can_be_requested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    alone, further = [
        await builder_facts(Parts(Settings(state_dir=tmp_path, worker_emulates=emulated)))
        for emulated in ((), ("aarch64",))
    ]
    assert {architecture for architecture, _, _ in alone.definitions} == {"x86_64"}
    assert {architecture for architecture, _, _ in further.definitions} == set(BOTH)
    assert alone.definitions.items() <= further.definitions.items()
