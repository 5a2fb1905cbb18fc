"""The use cases of Wheelyard, independent of HTTP, terminals and databases."""
