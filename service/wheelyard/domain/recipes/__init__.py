"""Recipes: what a project needs beyond its sdist."""
