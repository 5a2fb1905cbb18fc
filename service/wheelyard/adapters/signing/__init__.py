"""Keys and certificates: the authority of the organisation, and what signs with a certificate of it."""
