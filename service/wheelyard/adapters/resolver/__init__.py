"""uv as the resolver of wheels and releases."""
