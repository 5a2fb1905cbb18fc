"""What the files of an sdist say about how it is built. All of it is untrusted text, read as data."""
