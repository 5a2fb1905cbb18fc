"""For Windows: its extension module is never compiled elsewhere."""

from wants_companion._windows import answer

__all__ = ["answer"]
