"""What unit tests of several parts start from."""

from pathlib import Path

import pytest
from tests.unit.pipeline_stand import PipelineStand, make_stand


@pytest.fixture
def pipeline(tmp_path: Path) -> PipelineStand:
    return make_stand(tmp_path)
