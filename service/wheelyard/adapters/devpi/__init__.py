"""Publish, read, list and remove wheels on devpi."""
