"""The one reader of wheels: ``reader`` opens them, the other modules check their content."""
