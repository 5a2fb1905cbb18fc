"""What people and programs can do with Wheelyard, independent of HTTP, terminals and databases."""
