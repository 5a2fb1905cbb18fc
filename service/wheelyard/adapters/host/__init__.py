"""This host: programs, files, locks, and processes that parse."""
