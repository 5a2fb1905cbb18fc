"""Hostile conversations against the build stage: each ends in its typed failure, and writes nothing outside."""

import re
from pathlib import Path

import pytest
from tests.fakes.engine import MemoryEngine, Script, ScriptedAgent
from tests.hostile.corpus import FRAMES, Attack
from tests.unit.pipeline_harness import make_harness

from wheelyard.errors import WheelyardError
from wheelyard.pipeline.build import build


def opened(attack: Script) -> Script:
    """Take the job as an agent does, then attack."""

    async def script(agent: ScriptedAgent) -> None:
        await agent.receive()
        await attack(agent)

    return script


def names_below(folder: Path, pattern: str) -> list[str]:
    return [path.name for path in folder.rglob(pattern)]


@pytest.mark.parametrize("attack", FRAMES.values(), ids=FRAMES)
async def test_conversation_is_refused(attack: Attack, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    harness = make_harness(inner)
    harness.engine = MemoryEngine(opened(attack.act("play")))
    with pytest.raises(WheelyardError, match=re.escape(attack.said)) as caught:
        await build(harness.prepared, harness.tools)
    assert caught.value.code == attack.refused
    assert names_below(tmp_path, "*evil*") == []
    assert names_below(tmp_path, "inner") == ["inner"]
