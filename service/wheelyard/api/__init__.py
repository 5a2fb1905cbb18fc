"""The REST API: the use cases over HTTP."""
