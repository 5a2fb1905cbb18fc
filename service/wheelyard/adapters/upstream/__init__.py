"""Fetch over HTTP from indexes and registries of others, and send webhooks."""
