"""Provenance of files, and the certificates of the authority, over HTTP."""
