"""End without a word, in the middle of a file."""

import json

from tests.fakes.engine import ContainerExitError, ScriptedAgent
from tests.unit.pipeline_harness import PURE

REFUSED = "untrusted-output"
SAID = "without a report"


async def play(agent: ScriptedAgent) -> None:
    agent.send_raw(json.dumps({"kind": "file", "name": PURE, "size": 1000}).encode() + b"\nPK")
    raise ContainerExitError(0)
