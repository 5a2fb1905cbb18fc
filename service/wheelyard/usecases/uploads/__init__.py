"""Bring files that others built."""
