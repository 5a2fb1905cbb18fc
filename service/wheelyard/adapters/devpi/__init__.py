"""devpi: publish, read, list and remove wheels."""
