"""A pure module."""
