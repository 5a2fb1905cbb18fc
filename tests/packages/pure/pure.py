"""A pure module."""

ANSWER = 42
