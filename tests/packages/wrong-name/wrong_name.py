"""A module of a project whose sdist goes by another name."""
