"""Builds: what is asked for, what became of it, and how it is explained."""
