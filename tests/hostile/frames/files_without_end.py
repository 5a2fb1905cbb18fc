"""Send very many empty files."""

from wheelyard.adapters.memory_engine import ScriptedAgent

REFUSED = "untrusted-output"
SAID = "more than 16 files"


async def play(agent: ScriptedAgent) -> None:
    for number in range(1000):
        agent.send_file(f"f{number}", b"")
