"""A package that works by itself, and can do more beside a companion that it does not require."""
