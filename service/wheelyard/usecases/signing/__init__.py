"""Signing of what is published: certificates for keys, and attestations of files."""
