"""The one reader of wheels: ``reader`` opens them, the others check what they hold."""
