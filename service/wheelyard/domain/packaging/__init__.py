"""Releases, wheels and tags, as the packaging standards have them."""
