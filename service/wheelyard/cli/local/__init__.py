"""Folders and files of the caller's disk, as they are packed and sent."""
