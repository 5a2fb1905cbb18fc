"""Extension modules that differ in how they get on without the GIL."""
