"""This host: programs, files, parser processes."""
