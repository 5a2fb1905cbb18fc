"""Send very many empty files."""

from tests.fakes.engine import ScriptedAgent

REFUSED = "untrusted-output"
SAID = "more than 16 files"


async def play(agent: ScriptedAgent) -> None:
    for number in range(1000):
        agent.send_file(f"f{number}", b"")
