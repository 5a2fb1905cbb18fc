"""Assembly: creates the running parts from the settings."""
