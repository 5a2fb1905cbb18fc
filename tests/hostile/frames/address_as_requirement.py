"""Have the worker fetch from an address of the project's choice: its own network's, say."""

from tests.fakes.engine import ScriptedAgent

REFUSED = "build-requirements"
SAID = "it is a direct reference"


async def play(agent: ScriptedAgent) -> None:
    agent.send("need", requirements=["demo @ http://169.254.169.254/latest/meta-data/x-1.0-py3-none-any.whl"])
