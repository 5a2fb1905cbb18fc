"""What is fetched over HTTP from an index or a registry of others, and webhooks."""
