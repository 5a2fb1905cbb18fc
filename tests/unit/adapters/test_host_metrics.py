"""What a worker tells of its host."""

import shutil
from pathlib import Path

from wheelyard.adapters.engine.command import EngineCommand
from wheelyard.adapters.images.host_metrics import HostWatch


async def test_engine_that_does_not_answer_is_a_figure_and_the_disk_is_told_all_the_same(tmp_path: Path) -> None:
    watch = HostWatch(engine=EngineCommand(program=str(tmp_path / "no-such-engine")), state_dir=tmp_path)
    found = await watch.look()
    assert watch.newest is found
    assert not found.engine_answers
    assert found.disk_size_bytes == shutil.disk_usage(tmp_path).total
    assert 0 < found.disk_free_bytes <= found.disk_size_bytes
