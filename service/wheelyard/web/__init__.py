"""The web pages: server-rendered views of the same use cases as the API's. Must not hold rules."""
