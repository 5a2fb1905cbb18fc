"""The index: which wheels it lists, and how its pages are written."""
