"""Send a header that never ends."""

from tests.fakes.engine import ScriptedAgent

REFUSED = "untrusted-output"
SAID = "a line is longer than 2097152 bytes"


async def play(agent: ScriptedAgent) -> None:
    agent.send_raw(b"x" * (9 << 20))
