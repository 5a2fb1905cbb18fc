"""Campaigns: everything that an index or a lock has, built for another Python."""
