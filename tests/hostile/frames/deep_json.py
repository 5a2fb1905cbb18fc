"""Send a header that no parser's stack survives."""

from tests.fakes.engine import ScriptedAgent

REFUSED = "untrusted-output"
SAID = "nested too deep"


async def play(agent: ScriptedAgent) -> None:
    agent.send_raw(b'{"kind": ' + b"[" * 200_000 + b"\n")
