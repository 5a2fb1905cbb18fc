"""PostgreSQL: every statement that the service sends."""
