"""Compare wheels with what upstream publishes."""
