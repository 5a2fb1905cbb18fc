"""Make, find, refresh, check and prune images."""
