"""Builds: what is requested, what comes of it, and how it is explained."""
