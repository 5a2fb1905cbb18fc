"""Resolve to wheels and releases with uv."""
