"""The host's engine with other arguments, for tests."""

from collections.abc import AsyncIterable, Callable, Sequence
from dataclasses import dataclass

from wheelyard.adapters.engine.command import EngineCommand
from wheelyard.adapters.host.process import Completed, LineCallback

Adapt = Callable[[Sequence[str]], Sequence[str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class AdaptedEngine(EngineCommand):
    """An engine whose commands are changed on their way."""

    adapt: Adapt

    async def run(
        self,
        args: Sequence[str],
        *,
        stdin: AsyncIterable[bytes] | None = None,
        on_line: LineCallback | None = None,
        check: bool = True,
    ) -> Completed:
        """Run the command as it was changed."""
        return await EngineCommand.run(self, self.adapt(args), stdin=stdin, on_line=on_line, check=check)


def adapt_engine(engine: EngineCommand, adapt: Adapt) -> AdaptedEngine:
    """Give an engine that is the same otherwise."""
    return AdaptedEngine(program=engine.program, prefix=engine.prefix, ulimits=engine.ulimits, adapt=adapt)


def without_cache(args: Sequence[str]) -> Sequence[str]:
    """Build everything anew."""
    return ["build", "--no-cache", *args[1:]] if args[0] == "build" else args
