"""Where recipes are read from: folders and git repositories."""
