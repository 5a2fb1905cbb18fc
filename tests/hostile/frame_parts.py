"""What hostile conversations have in common with honest ones."""

from typing import Final

from tests.unit.pipeline_harness import PURE

REPORT: Final = {"wheel": PURE, "epoch": 315532800, "sources": []}
"""The fields of a build's report."""
