"""Images: made, found, refreshed, checked and pruned."""
