"""Values and rules: frozen, without I/O, clock, environment or framework."""
