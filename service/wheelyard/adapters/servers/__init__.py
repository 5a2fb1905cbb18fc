"""The embedded PostgreSQL and devpi."""
