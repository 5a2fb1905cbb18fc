"""Compare wheels, on this host."""
