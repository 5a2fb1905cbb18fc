"""Read recipes from folders and git repositories."""
