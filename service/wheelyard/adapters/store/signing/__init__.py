"""Records of authorities, signing certificates and provenance in PostgreSQL."""
