"""Ask for build requirements again and again."""

from tests.fakes.engine import ScriptedAgent

REFUSED = "untrusted-output"
SAID = "it asks for 0 build requirements in round 4"


async def play(agent: ScriptedAgent) -> None:
    while True:
        agent.send("need", requirements=[])
        await agent.receive()
