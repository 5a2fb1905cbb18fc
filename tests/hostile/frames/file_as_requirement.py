"""Have the worker read a file of its host as a requirement."""

from tests.fakes.engine import ScriptedAgent

REFUSED = "build-requirements"
SAID = "it is a direct reference"


async def play(agent: ScriptedAgent) -> None:
    agent.send("need", requirements=["demo @ file:///etc/passwd"])
