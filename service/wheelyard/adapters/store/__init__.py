"""Every statement that the service sends to PostgreSQL."""
