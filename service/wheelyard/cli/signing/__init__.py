"""Commands about signed provenance: check files, and care for the authority."""
