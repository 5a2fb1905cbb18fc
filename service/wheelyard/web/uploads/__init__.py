"""The page of uploads, and the story of each file."""
