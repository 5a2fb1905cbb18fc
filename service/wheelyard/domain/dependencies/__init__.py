"""The dependencies of an application, read from its files."""
