"""A package with an extension module."""

from native._fast import answer

__all__ = ["answer"]
