"""For who has the companion."""

from wants_companion._bridge import answer

__all__ = ["answer"]
