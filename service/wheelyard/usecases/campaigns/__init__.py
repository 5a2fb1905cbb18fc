"""Campaigns: begin them, take each further, and find the releases that would work."""
