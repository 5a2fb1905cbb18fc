"""What unit tests of several parts start from."""

from pathlib import Path

import pytest
from tests.unit.pipeline_harness import PipelineHarness, make_harness


@pytest.fixture
def pipeline(tmp_path: Path) -> PipelineHarness:
    return make_harness(tmp_path)
