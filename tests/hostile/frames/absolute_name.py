"""Have a file of the worker's host overwritten."""

from tests.fakes.engine import ScriptedAgent

REFUSED = "untrusted-output"
SAID = "is not a file name that a wheel can have"


async def play(agent: ScriptedAgent) -> None:
    agent.send_file("/etc/cron.d/evil", b"* * * * * root evil")
